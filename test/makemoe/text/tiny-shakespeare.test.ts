import { createServer } from 'node:http'
import { TextError } from 'makemoe'
import { downloadTinyShakespeare, rebuildTinyShakespeare, tinyShakespeareSha256 } from 'makemoe/dist/cli/setup/tiny-shakespeare'
import { afterEach, expect, test } from 'vitest'

const realFetch = globalThis.fetch
afterEach(() => {
  globalThis.fetch = realFetch
})

test('a download of another text is refused', async () => {
  const server = createServer((_request, response) => response.end('not Shakespeare')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = `http://127.0.0.1:${(server.address() as { port: number }).port}/`
  globalThis.fetch = (_url, init) => realFetch(address, init)
  await expect(downloadTinyShakespeare()).rejects.toThrow(`expected ${tinyShakespeareSha256}`)
  server.close()
})

test('no answer is no text', async () => {
  globalThis.fetch = () => Promise.reject(new Error('offline'))
  expect(await downloadTinyShakespeare()).toBeUndefined()
})

// That the right plays and edits give the right text is checked with the real package, by test/makemoe/text/from-package.mjs.
test('other plays are refused', () => {
  expect(() => rebuildTinyShakespeare(() => '**All**\nSpeak, speak.\n', [[0, 3, 'Both']])).toThrow(TextError)
})
