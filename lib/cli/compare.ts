/** `makemoe compare`: variants trained under equal conditions, and a table that says which differences are more than noise. */
import { basename, extname, join, relative } from 'node:path'
import { type Command, Option } from 'commander'
import { at, isOneOf, keysOf } from '../base/assertions'
import { sourceVersion } from '../base/code-version'
import { ConfigError } from '../base/errors'
import { nearest } from '../base/nearest'
import { inBits } from '../base/numbers'
import { type ComparisonName, comparisons, type TextCounts, textCounts } from '../lab/comparisons'
import { recipeFields } from '../lab/recipe'
import { referenceLengths, type Study, study } from '../lab/study'
import { describeComparison } from '../lab/summary'
import { usualMultiples, type Variants } from '../lab/variants'
import { type Config, validateConfig } from '../makemoe/config'
import { preset } from '../makemoe/presets'
import { datasetOf } from '../makemoe/text/dataset'
import { type TokenizerName, tokenizers } from '../makemoe/text/tokenizers'
import { tablesOf, writeComparison } from './comparison-report'
import { compiler } from './compiler'
import { natural, naturals, positives } from './option-values'
import { addCommand, addConfigOptions, addEagerOption, configOptions, presetOption, tokenizerOption } from './options'
import { importFile } from './parts'
import { paths } from './setup/paths'
import { endWithoutTerminal, stoppedStatus, stopSignal } from './stopping'
import { corpusOf, setUpQuietly, textDescription } from './text-option'
import { lineInPlace, throttledLog } from './throttled-log'

interface CompareCommandOptions {
  readonly tokenizer: TokenizerName
  readonly preset: string
  readonly what?: ComparisonName
  /** A file with variants of one's own. */
  readonly variants?: string
  /** The variant that the others are compared with; default: the first. */
  readonly against?: string
  /** The variants that are compared; default: all. */
  readonly only?: readonly string[]
  /** How many, from the config's on. */
  readonly seeds: number
  readonly lengths?: readonly number[]
  /** Multiples of the learning rate; true: the usual ones. */
  readonly tune?: readonly number[] | true
  readonly speedUp?: boolean
  readonly out?: string
  readonly text?: string
  readonly eager?: boolean
}

/** What a comparison has in place of the preset's, unless it is given. */
const defaults = { steps: 1000, evalInterval: 'a tenth of the steps', evalIters: 20 } as const

/** @throws ConfigError */
function sharedConfig(name: string, given: Partial<Config>): Config {
  const { steps = defaults.steps, evalIters = defaults.evalIters } = given
  if (steps === 0) throw new ConfigError('steps: got 0, expected at least 1, so that there is something to compare')
  return validateConfig({ ...preset(name), evalInterval: Math.max(1, Math.ceil(steps / 10)), ...given, steps, evalIters })
}

export function register(program: Command): void {
  const command = addCommand(program, 'compare', 'train variants under equal conditions and say which differences are more than noise')
    .addOption(
      new Option(
        '--what <name>',
        'variants of the model that the other options describe: ways to balance; routers; which, how many and how wide experts; capacity factors and drop policies; dense models; first weights; learning rates; optimizers; from one expert to 32; ever finer experts; the steps to the default; why a table of characters routes well',
      ).choices(keysOf(comparisons)),
    )
    .option(
      '--variants <file>',
      'your own: a TypeScript file with export const variants = { wide: { expertWidth: 1024 }, ... }; the fields are those of config.json',
    )
    .option('--against <variant>', 'the one that the others are compared with (default: the first)')
    .option('--only <variants...>', "some of them, by name: --only dense '8 experts'")
    .addOption(presetOption('what the variants share; the values below are of the default'))
    .option('--seeds <number>', 'trainings of each variant, with the seeds from --seed on', natural, 3)
    .option('--lengths <steps>', 'several lengths of training, each with its own schedule: 500,1000,2000', naturals)
    .option(
      '--tune [multiples]',
      `try each variant at these multiples of its learning rate, and compare it at its best (${usualMultiples})`,
      positives,
    )
    .option('--speed-up', 'how much longer the first variant trains to the same loss; trains it at a quarter, half and twice the steps too')
    .option('--out <folder>', 'where results are kept; what is there is not trained again (default: data/runs/compare)')
    .option('--text <text>', textDescription('the text to learn', 'Tiny Shakespeare'))
    .addOption(tokenizerOption().default('char'))
  addConfigOptions(addEagerOption(command), defaults).action(async (options: CompareCommandOptions & Readonly<Record<string, unknown>>) => {
    const given = configOptions(options)
    const config = sharedConfig(options.preset, options.lengths ? { steps: Math.min(...options.lengths), ...given } : given)
    refuseRecipeFields(options.what, given)
    await setUpQuietly(options.text)
    process.exitCode = await compareVariants(config, options)
    endWithoutTerminal(process.exitCode)
  })
}

/**
 * Trains, measures, prints the table and writes JSON and figures.
 * @returns the exit status: 0, 130 after Ctrl-C, 143 after SIGTERM
 * @throws ConfigError before anything is trained
 */
async function compareVariants(config: Config, options: CompareCommandOptions): Promise<number> {
  const { name, variantsOf, partsSource } = await chosen(config, options)
  const corpus = await corpusOf(options)
  const tokenizer = tokenizers[options.tokenizer].fromText(corpus.pieces())
  const dataset = datasetOf(tokenizer, corpus, config.blockSize)
  const variants = withFirst(those(variantsOf(textCounts(dataset, tokenizer.vocabSize)), options.only), options.against)
  const folder = options.out ?? join(paths.runs(), 'compare')
  const seeds = Array.from({ length: options.seeds }, (_, i) => config.seed + i)
  const { lengths = [config.steps], speedUp, tune } = options
  const multiples = tune === true ? usualMultiples : tune
  const names = Object.keys(variants)
  const all =
    names.length * (seeds.length * lengths.length + (multiples?.length ?? 0)) +
    (speedUp ? referenceLengths(at(lengths, 0)).length * seeds.length : 0)
  console.log(
    `${names.length} variants, ${seeds.length} seeds, ${lengths.join(', ')} steps each: ${names.join('; ')}\n` +
      `shared: ${describeShared(config)}\n` +
      `compared with ${names[0]} (--against names another)`,
  )

  const signal = stopSignal()
  const progress = showLines()
  let trained = 0
  let found: Study | undefined
  try {
    found = await study(variants, {
      config,
      dataset,
      vocabSize: tokenizer.vocabSize,
      seeds,
      lengths,
      multiples,
      speedUp,
      folder,
      partsSource,
      compile: compiler(options.eager, () => {}),
      signal,
      onPart: (what) => (multiples || speedUp) && progress.line(`${what} ...`),
      onProgress: (standing) => progress.update(describeComparison(standing)),
      onTrained: ({ variant, seed, steps, learningRate, validationLoss }) => {
        const more = `${lengths.length > 1 || speedUp ? `, ${steps} steps` : ''}${multiples ? `, rate ${learningRate}` : ''}`
        progress.line(
          `${++trained}/${all} ${variant}, seed ${seed}${more}: validation loss ${validationLoss.toFixed(4)} (${inBits(validationLoss)})`,
        )
      },
      timing: { onTurn: (variant, round, rounds) => progress.update(`timing steps, round ${round} of ${rounds}: ${variant}`) },
    })
  } finally {
    progress.stop() // the signals stay caught: the process ends now, and nothing that is written is to be cut off
  }
  if (!found) {
    console.log(`stopped by ${signal.reason} after ${trained} of ${all} trainings; the same command continues`)
    return stoppedStatus(signal)
  }
  const table = tablesOf(found, options.what === 'recipe')
  console.log(`\n${table}\n`)
  const files = writeComparison(join(folder, multiples ? `${name}-tuned` : name), found, { name, config, seeds }, table)
  const [json, figures] = files.map((file) => relative(process.cwd(), file))
  console.log(`saved in ${json}, figures in ${figures}`)
  return 0
}

/** @throws ConfigError if an option sets what the recipe sets */
function refuseRecipeFields(what: ComparisonName | undefined, given: Partial<Config>): void {
  const field = what === 'recipe' ? recipeFields().find((name) => given[name] !== undefined) : undefined
  if (field !== undefined)
    throw new ConfigError(`${field}: got ${given[field]} with --what recipe, expected none: each of its steps sets its own`)
}

/** The variants that the options ask for, the name of the comparison, and which code their parts come from. */
async function chosen(
  config: Config,
  { what, variants: file }: CompareCommandOptions,
): Promise<{ name: string; variantsOf: (text: TextCounts) => Variants; partsSource: string }> {
  if ((what === undefined) === (file === undefined))
    throw new ConfigError(`compare: got ${what === undefined ? 'neither' : 'both'}, expected one of --what and --variants`)
  if (what !== undefined) {
    const variantsOf: (config: Config, text: TextCounts) => Variants = comparisons[what]
    return { name: what, variantsOf: (text) => variantsOf(config, text), partsSource: what }
  }
  const path = file ?? ''
  const { exported } = await importFile(path, 'variants', { variants: 'Variants' })
  const { variants } = exported
  if (typeof variants !== 'object' || variants === null || Object.keys(variants).length === 0)
    throw new ConfigError(`variants: ${path} exports none, expected: export const variants = { wide: { expertWidth: 1024 }, ... }`)
  const wrong = Object.entries(variants).find(([, variant]) => typeof variant !== 'object' || variant === null)
  if (wrong) throw new ConfigError(`variants: ${wrong[0]} is ${String(wrong[1])}, expected an object with config fields and parts`)
  const number = Object.keys(variants).find((variant) => /^\d+$/.test(variant))
  if (number !== undefined)
    throw new ConfigError(
      `variants: got the name ${number}, expected letters in it: JavaScript would put it first; '${number} experts' will do`,
    )
  const name = basename(path, extname(path))
  return {
    name: isOneOf(keysOf(comparisons), name) ? `own-${name}` : name,
    variantsOf: () => variants as Variants,
    partsSource: sourceVersion(path),
  } // compare checks every field
}

/** The variants, the one that the others are compared with before them. */
const withFirst = (variants: Variants, against: string | undefined): Variants =>
  against === undefined ? variants : { ...named('against', [against], variants), ...variants }

/** The variants of these names. */
const those = (variants: Variants, only: readonly string[] | undefined): Variants =>
  only === undefined ? variants : named('only', only, variants)

/**
 * Some of the variants, in their own order.
 * @throws ConfigError if one of the names is none of theirs
 */
function named(option: string, wanted: readonly string[], variants: Variants): Variants {
  const names = Object.keys(variants)
  const unknown = wanted.find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw new ConfigError(`${option}: got ${unknown}, expected one of ${names.join('; ')}${nearest(unknown, names)}`)
  return Object.fromEntries(Object.entries(variants).filter(([name]) => wanted.includes(name)))
}

/** The sizes that all variants have unless they change them. */
function describeShared(config: Config): string {
  const { nEmbed, nLayer, nHead, blockSize, batchSize, numExperts, topK, router, expert, learningRate } = config
  const sizes = { nEmbed, nLayer, nHead, blockSize, batchSize, numExperts, topK, router, expert, learningRate }
  return Object.entries(sizes)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

/** A line in place on a terminal; elsewhere one now and then. */
function showLines(): { update(text: string): void; line(text: string): void; stop(): void } {
  const log = throttledLog()
  return {
    update: (text) => {
      if (lineInPlace.isShown) lineInPlace.show(text)
      else log(() => text)
    },
    line: (text) => {
      lineInPlace.clear()
      console.log(text)
    },
    stop: lineInPlace.clear,
  }
}
