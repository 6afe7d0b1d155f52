/** Arithmetic on lists of numbers that several rooms need. */

/** The mean of some numbers; NaN of none. */
export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** A loss in bits per character, for people: nats / ln 2. */
export const inBits = (nats: number): string => `${(nats / Math.LN2).toFixed(4)} bits per character`
