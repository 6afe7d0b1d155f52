import fc from 'fast-check'
import { grouped } from 'makemoe/dist/base/grouped'
import { expect, test } from 'vitest'

test('every item is in the group of its key, and in its order', () => {
  const drawn = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', ''), item: fc.integer() }))
  fc.assert(
    fc.property(drawn, (items) => {
      const groups = grouped(items, ({ key }) => key)
      expect([...groups.keys()]).toEqual([...new Set(items.map(({ key }) => key))])
      for (const [key, group] of groups) expect(group).toEqual(items.filter((item) => item.key === key))
    }),
  )
})
