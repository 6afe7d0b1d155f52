/** What the page of an inspection shows, in plain numbers; lab/inspect.ts finds them out. L layers, E experts, V characters. */

/** What one layer's router did with the observed tokens. Entropies are in nats, shares from 0 to 1. */
export interface RoutingNumbers {
  readonly layer: number
  /** (token, choice) pairs that asked for each expert, and that it served. [E] */
  readonly demand: readonly number[]
  readonly load: readonly number[]
  /** Each expert's gates, summed over the tokens. [E] */
  readonly importance: readonly number[]
  /** Entropy of a token's gates, mean over the tokens. */
  readonly entropy: number
  /** Entropy of the mean gates; ln E if the importance is even. */
  readonly meanGateEntropy: number
  /** The K-th largest probability minus the next, mean over the tokens; NaN if K = E. */
  readonly margin: number
  /** Share of the pairs that was dropped; undefined where none can be. */
  readonly dropShare: number | undefined
  /** Largest demand / mean demand - 1. */
  readonly maxVio: number
  /** Experts that nobody asked for. */
  readonly dead: readonly number[]
  /** Mean squared log-sum-exp of the logits. */
  readonly z: number
  /** The share of the tokens that chose expert i which chose j too; NaN where nobody chose i. [E][E] */
  readonly coActivation: readonly (readonly number[])[]
  /** Shares of consecutive tokens whose first choice is that of the token before, or among its choices. */
  readonly repetition: { readonly first: number; readonly any: number }
  /** The mutual information of first choice and character, as a share of the choice's entropy; NaN if all chose the same. */
  readonly fromCharacter: number
}

/** A layer, with what its experts specialize in. */
export interface InspectedLayer extends RoutingNumbers {
  /** Each expert's share of the choices made for a class of characters; NaN for a class that does not occur. [classes][E] */
  readonly byClass: readonly (readonly number[])[]
  /** The same by character. [V][E] */
  readonly byCharacter: readonly (readonly number[])[]
  /** The first choice for each character of the shown text, and its gate. */
  readonly first: readonly number[]
  readonly firstGates: readonly number[]
}

/** Validation losses in nats, with and without parts of the routing. */
export interface KnockOut {
  /** The loss of the model as it is. */
  readonly loss: number
  readonly characters: number
  /** With the expert of the layer switched off, [L][E]; undefined for a layer where none can be. */
  readonly without: readonly (readonly number[] | undefined)[]
  /** With the first choice alone; undefined if K = 1, or the gates cannot be changed. */
  readonly topOne: number | undefined
  /** With K experts at random for each token and layer; undefined if the choices cannot be changed. */
  readonly random: number | undefined
}

/** A checkpoint of the run: the share of the final choices that it makes already, by layer. [L] */
export interface SaturationPoint {
  readonly step: number
  readonly shares: readonly number[]
}

/** What an inspection found. */
export interface Inspection {
  readonly model: {
    readonly parameters: number
    readonly activeParameters: number | undefined
    readonly numExperts: number
    readonly topK: number
    readonly blockSize: number
  }
  /** Where the text is from, in words. */
  readonly source: string
  readonly vocabulary: readonly string[]
  /** How often each character, and each class of characters, occurs in what was observed. */
  readonly occurrences: readonly number[]
  readonly classes: readonly string[]
  readonly classOccurrences: readonly number[]
  /** Characters that were observed, and those of the whole validation split. */
  readonly characters: number
  readonly available: number
  readonly layers: readonly InspectedLayer[]
  /** The beginning of what was observed. */
  readonly text: string
  /** Oldest first; empty where no run's checkpoints were compared. */
  readonly saturation: readonly SaturationPoint[]
  readonly knockOut: KnockOut
}

/** The experts' numbers, as the tables name them. */
export const experts = ({ model }: Inspection): string[] => Array.from({ length: model.numExperts }, (_, expert) => String(expert))
