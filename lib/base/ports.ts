/** Ports: which are free, and whether somebody listens there. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Ports of this machine that nobody listens at. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer()
      return new Promise<typeof server>((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', () => resolve(server)))
    }),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address ? address.port : 0
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Whether somebody listens at `host:port` within a number of seconds. */
export async function listens(address: string, seconds: number): Promise<boolean> {
  const [host, port] = address.split(':')
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; await sleep(100)) {
    const socket = connect(Number(port), host)
    const isThere = await once(socket, 'connect', { signal: AbortSignal.timeout(1000) }).then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isThere) return true
  }
  return false
}
