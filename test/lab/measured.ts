import type { Measurement } from 'makemoe'

/** A measurement of which the loss alone matters. */
export const measured = (variant: string, seed: number, validationLoss: number, more: Partial<Measurement> = {}): Measurement => ({
  ...{ variant, seed, validationLoss, steps: 10, tokensPerStep: 100, curve: [{ step: 0, trainLoss: 4, validationLoss: 4 }] },
  ...{ millisecondsPerStep: 10 * seed, parameters: 2e6, activeParameters: 1e6, flopsPerToken: 3e6, dropped: 0, looksAhead: false },
  ...more,
})

/** Three variants, three seeds each. */
export const measurements = [
  [measured('base', 1, 2), measured('better', 1, 1.9), measured('same', 1, 2.1, { looksAhead: true })],
  [measured('base', 2, 2.2), measured('better', 2, 2.09), measured('same', 2, 2.1)],
  [measured('base', 3, 2.4), measured('better', 3, 2.31), measured('same', 3, 2.4)],
].flat()
