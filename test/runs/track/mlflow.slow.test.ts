/** How long sending may take: seconds of a clock, which a busy machine must not decide. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MlflowClient } from 'makemoe/dist/runs/track/mlflow-client'
import { mlflowServer } from 'makemoe/dist/runs/track/mlflow-server'
import { expect, test } from 'vitest'

test('a file may take long, as long as it moves; one that stands still does not', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'makemoe-file-')), 'model.safetensors')
  writeFileSync(file, Buffer.alloc(60_000_000, 'moe'))
  let received = 0
  let stalls = false
  const slow = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      received += chunk.length
      request.pause()
      if (!stalls) setTimeout(() => request.resume(), 3) // what the system buffers is gone in a third of a second
    })
    request.on('end', () => response.end('{}'))
  })
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
  const impatient = new MlflowClient(mlflowServer({}, `http://127.0.0.1:${(slow.address() as AddressInfo).port}`), { idleMs: 1000 })
  const put = () => impatient.putArtifact({ id: 'r1', artifactUri: 'mlflow-artifacts:/0' }, 'model.safetensors', file)
  const start = Date.now()
  await put()
  expect(received).toBe(60_000_000)
  expect(Date.now() - start).toBeGreaterThan(2000) // twice the limit
  stalls = true
  await expect(put()).rejects.toThrow(/nothing was sent or received for 1 s/)
  slow.closeAllConnections()
  slow.close()
})
