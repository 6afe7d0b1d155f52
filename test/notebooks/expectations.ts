/** What each notebook must show when it has run. */
import { keysOf } from 'makemoe/dist/base/assertions'
import { MakemoeError } from 'makemoe/dist/base/errors'
import { joined, type Notebook, type Output, outputsOf, titleOf } from './notebook'

/** A notebook that does not run, or lacks something that it should show. */
export class NotebookError extends MakemoeError {
  override name = 'NotebookError'
}

/** What each notebook must show: titles of figures and words in its printed output. */
const expectations = {
  makeMoE_from_Scratch: {
    figures: [
      'The 65 characters of the text',
      'Attention weights without the scale',
      'Top-k gates (left), softmax over all experts (right)',
      'Who is chosen for one token, over many draws',
      '512 tokens through 8 experts',
      'Parameters of the model (click to look inside)',
      'Training, without capacity',
      'Who does the work in each layer',
      'First choice of each character, layer 7',
      'Characters in the color of their expert, layer 0',
    ],
    words: [
      '65 characters',
      'hii there',
      'all three agree',
      '8.996545 M parameters, 2.674369 M of them active',
      "our model and lib's agree",
      'by hand 4.1744, crossEntropy 4.1744',
      'step 20:',
    ],
  },
  makeMoE_from_Scratch_with_Expert_Capacity: {
    figures: [
      'In token order, as in the original',
      'By choice, then gate, as in our default',
      'Whose tokens are dropped',
      'What the capacity factor costs and saves',
      'What two processes wait and send',
      'Training, capacity factor 1',
      'What capacity costs (validation)',
    ],
    words: ['factor 1: at most 128 pairs', 'token 5 (gate 0.95): expert 0 is full with 0, 1, 2, 3', 'as in lib', 'length 3: capacity 0'],
  },
  makeMoE_Concise: {
    figures: [
      'Training, concise',
      'sigmoid router',
      'SwiGLU experts',
      'shared expert',
      'capacity factor 1',
      'expert choice',
      'Xavier start',
      'balancing loss',
      'rotary positions',
      'RMSNorm',
      'Muon',
      'four choices',
    ],
    words: [
      '8.996545 M parameters',
      'ln 65 is 4.174',
      'balanced: 0.0100',
      'MatMul of [16, 64], [128, 65]',
      'line 3: `return tf.matMul(row, model.head.weight)`',
    ],
  },
  makeMoE_Routing_Laboratory: {
    figures: [
      'Training, to be watched',
      'Who does the work in each layer',
      'Chosen together, layer 7',
      'Characters in the color of their expert, layer 0',
      'Characters in the color of their expert, layer 7',
      'Validation loss of each seed',
      'Churn from one evaluation to the next',
      'Validation loss against steps',
      'Validation loss against seconds',
      'What is lost without one expert',
      'Saturation',
    ],
    words: ['8 layers, 2048 tokens', 'sequence: by hand', 'dense, equal active parameters', 'experts at random'],
  },
} as const

export type NotebookName = keyof typeof expectations
export const notebookNames = keysOf(expectations)

export const textOf = (output: Output): string => joined(output.text)

/**
 * Checks what an executed notebook shows.
 * @throws NotebookError that names what is wrong
 */
export function checkNotebook(name: NotebookName, notebook: Notebook): void {
  const wrong = (problem: string): NotebookError => new NotebookError(`${name}: ${problem}`)
  const outputs = outputsOf(notebook)
  const stderr = outputs.find((output) => output.output_type === 'error' || output.name === 'stderr')
  if (stderr) throw wrong(`a cell wrote an error: ${textOf(stderr).slice(0, 500)}`)
  const { figures, words } = expectations[name]
  const titles = new Set(outputs.map(titleOf))
  for (const title of figures) if (!titles.has(title)) throw wrong(`the figure '${title}' is missing`)
  const printed = outputs.map(textOf).join('\n')
  for (const word of words) if (!printed.includes(word)) throw wrong(`the text '${word}' is missing`)
}
