/** Variants to compare: what each changes of a config that all share. */
import type { Config } from '../makemoe/config'
import type { Parts } from '../runs/parts'

/** What makes all trainings of a comparison equal; no variant changes it. */
export const equalConditions = ['steps', 'batchSize', 'blockSize', 'seed', 'evalInterval', 'evalIters'] as const

/** What a variant changes: fields of the config, and parts by value. */
export type Variant = Partial<Omit<Config, (typeof equalConditions)[number]>> & { readonly parts?: Parts }

/** Variants by name; all are compared with the first. */
export type Variants = Readonly<Record<string, Variant>>

/** The shared config with a variant's changes; not yet checked. */
export const changedBy = (shared: Config, { parts: _, ...changes }: Variant): Config => ({ ...shared, ...changes })

/** The learning rates that are tried, as multiples of a variant's own. */
export const usualMultiples: readonly number[] = [0.5, 1, 2, 4]

/** A multiple of a rate, without the last digits' rounding: 0.003 * 0.1 is 0.00030000000000000003. */
export const scaledRate = (rate: number, multiple: number): number => Number((rate * multiple).toPrecision(12))
