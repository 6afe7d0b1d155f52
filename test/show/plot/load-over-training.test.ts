import { loadOverTraining } from 'makemoe/dist/show/plot/experts'
import { expect, test } from 'vitest'

test('the map of the load begins at its first step, and leaves its axis title room however few the layers are', () => {
  for (const layers of [1, 2, 8]) {
    const counts = Array.from({ length: layers }, () => [1, 2, 3])
    const { layout } = loadOverTraining([0, 10, 20], [counts, counts, counts])
    expect(layout.xaxis).toMatchObject({ range: [0, 20] })
    expect(layout.height).toBeGreaterThanOrEqual(360)
  }
})
