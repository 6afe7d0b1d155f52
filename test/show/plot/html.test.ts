import { bars } from 'makemoe'
import { figurePage } from 'makemoe/dist/show/plot/html'
import { expect, test } from 'vitest'

test('a page holds plotly and cannot be broken out of', () => {
  const two = figurePage([bars('one', 'y', { a: 1 }), bars('two', 'y', { a: 1 })], { title: 'one & two', note: 'a < b', refresh: 5 })
  expect(two).toContain('<title>one &amp; two</title>')
  expect(two).toContain('>a &lt; b</pre>')
  expect(two).toContain('<meta http-equiv="refresh" content="5">')
  expect(two.match(/Plotly\.newPlot\('figure[01]'/g)).toHaveLength(2)
  const page = figurePage(bars('</script><b>', 'y', { a: 1 }), { title: 'bars' })
  expect(page.length).toBeGreaterThan(1e6)
  expect(page).toContain('\\u003c/script>\\u003cb>')
})
