import { deadExperts, loadFigure } from 'makemoe/dist/show/plot/routing-load'
import { describe, expect, test } from 'vitest'

const reported = (values: number[]) => ({ steps: values.map((_, i) => 10 * i), values })

describe('the load that training reports', () => {
  const reports = new Map([
    ['loss', reported([1, 2])],
    ['routing/layer_0/load_0', reported([4, 8, 8, 8, 8, 8])],
    ['routing/layer_0/load_1', reported([4, 0, 0, 0, 0, 0])],
    ['routing/layer_1/load_0', reported([0, 0, 0, 0, 0, 0])],
    ['routing/layer_1/load_1', reported([8, 8, 8, 8, 8, 8])],
    ['routing/layer_1/importance_1', reported([0, 0, 0, 0, 0, 0])],
  ])
  test('as times the even share, a row for each expert', () => {
    const [map] = loadFigure(reports)?.data ?? []
    expect(map?.x).toEqual([0, 10, 20, 30, 40, 50])
    expect(map?.z).toEqual([
      [1, 2, 2, 2, 2, 2],
      [1, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0],
      [2, 2, 2, 2, 2, 2],
    ])
  })
  test('dead experts by name: those that five reports in a row saw idle', () => {
    expect(deadExperts(reports)).toBe('layer 0: 1; layer 1: 0')
    const alive = new Map([...reports].map(([name, { values }]) => [name, reported(values.slice(0, 4))]))
    expect(deadExperts(alive)).toBe('')
    expect(deadExperts(new Map([['loss', reported([1])]]))).toBeUndefined()
    expect(loadFigure(new Map())).toBeUndefined()
  })
  test('a long training is thinned', () => {
    const long = new Map([['routing/layer_0/load_0', reported(Array.from({ length: 1001 }, (_, i) => i))]])
    const [map] = loadFigure(long)?.data ?? []
    const x = map?.x as number[]
    expect(x.length).toBeLessThanOrEqual(150)
    expect(x.slice(0, 3)).toEqual([0, 70, 140])
  })
})
