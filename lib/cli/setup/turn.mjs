// One set-up of a checkout at a time: whoever has the turn listens on a socket named by the checkout's folder, and whoever waits is connected
// to it until it closes. The system closes it however the process ends, so no turn outlives its process.
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** Listens on an address; undefined if another process does. */
const listen = (address) =>
  new Promise((resolve, reject) => {
    const server = createServer((waiting) => waiting.on('error', () => {}).resume())
    const connections = new Set()
    server.on('connection', (waiting) => connections.add(waiting.on('close', () => connections.delete(waiting))))
    server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)))
    server.listen(address, () =>
      resolve(() => {
        server.close()
        for (const waiting of connections) waiting.destroy()
      }),
    )
    server.unref()
  })

/** Waits until the process that listens on an address ends its turn; false if none listens. */
const ended = (address) =>
  new Promise((resolve) => {
    let reached = false
    connect(address)
      .on('connect', () => (reached = true))
      .on('error', () => {})
      .on('close', () => resolve(reached))
      .resume()
  })

/**
 * Waits for the turn of a folder and takes it.
 * @param {string} folder
 * @param {(line: string) => void} say is called once if another process has it
 * @returns {Promise<() => void>} gives it back; the end of the process does too
 */
export async function takeTurn(folder, say) {
  const name = `makemoe-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}-${userInfo().uid}`
  // Linux has names without files; elsewhere the file of a process that was killed is removed by the next one.
  const address = process.platform === 'linux' ? `\0${name}` : join('/tmp', name)
  for (let tries = 0; ; tries++) {
    const giveBack = await listen(address)
    if (giveBack) return giveBack
    if (tries === 0) say('another process is setting up this folder; waiting for it')
    if (!(await ended(address)) && process.platform !== 'linux') rmSync(address, { force: true })
    await wait(50 * Math.random())
  }
}
