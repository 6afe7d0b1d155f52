import { expect, test } from 'vitest'
import { testsOf } from './tests-of'

test('a file has the tests of its name, or those of the nearest folder', () => {
  expect(testsOf('makemoe/moe/capacity')).toEqual(['makemoe/moe/capacity.test.ts'])
  expect(testsOf('makemoe/moe/balance/switch')).toEqual(testsOf('makemoe/moe/contracts'))
  expect(testsOf('makemoe/moe/router/topk')).toEqual(['makemoe/moe/router/topk.test.ts'])
  expect(testsOf('makemoe/moe/router/by-layer')).toEqual(expect.arrayContaining(['makemoe/moe/router/hash.test.ts']))
  expect(testsOf('engine/graph/memory')).not.toContain('engine/graph/memory.slow.test.ts')
})
