/** The losses that the original publishes (AviSoori1x/makeMoE, its notebooks' outputs), in nats: six of its 51 evaluations. */
import type { LossCurve } from './losses'

const steps = [0, 100, 500, 1000, 2500, 4999] as const

/** The original's published validation losses in nats, without capacity and with capacity factor 1. */
export const publishedCurves: Readonly<Record<'dropless' | 'capacity', LossCurve>> = {
  dropless: { name: 'published, validation', steps, losses: [5.3166, 2.7429, 2.304, 2.0822, 1.8713, 1.7508], behind: true },
  capacity: { name: 'published with capacity, validation', steps, losses: [5.3479, 2.7736, 2.3181, 2.0911, 1.8834, 1.7645], behind: true },
}
