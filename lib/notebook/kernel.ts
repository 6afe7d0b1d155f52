/**
 * The TypeScript kernel of the notebooks: tslab, corrected in three places. It is busy from a cell's start to its end (tslab says so when a
 * cell arrives, and is idle after the first of several). An interrupt lets a computation that listens come to its end, so that the cell keeps
 * what it declares. And no message is refused because many are on their way.
 */
import jupyter = require('tslab/dist/jupyter')

import { startKernel } from 'tslab/dist/main'
import { endCell, type RunningCell, startCell } from '../base/interrupt'

type Message = Parameters<jupyter.ZmqServer['handleExecute']>[1]
type Request = Parameters<jupyter.JupyterHandlerImpl['handleExecute']>[0]

/** tslab's handler; the method is private there. */
interface Handler {
  /** Runs a cell when its turn has come. */
  handleExecuteImpl(request: Request, ...outputs: unknown[]): Promise<unknown>
}

let running: { readonly message: Message; readonly cell: RunningCell } | undefined

class Server extends jupyter.ZmqServer {
  private readonly messages = new WeakMap<Request, Message>()

  constructor(handler: jupyter.JupyterHandlerImpl, connectionFile: string) {
    super(handler, connectionFile)
    const inner = handler as unknown as Handler // private in tslab's declarations
    const run = inner.handleExecuteImpl.bind(handler)
    inner.handleExecuteImpl = async (request, ...outputs) => {
      const message = this.messages.get(request)
      if (!message) return run(request, ...outputs)
      await new Promise((done) => setImmediate(done)) // until the cell before is said to have ended
      running = { message, cell: startCell() }
      super.publishStatus('busy', message)
      try {
        return await run(request, ...outputs)
      } finally {
        running = undefined
        endCell()
      }
    }
  }

  override handleExecute(socket: unknown, message: Message): Promise<void> {
    this.messages.set(message.content as Request, message)
    return super.handleExecute(socket, message)
  }

  override publishStatus(status: string, parent: Message): void {
    if (status === 'busy' && parent.header.msg_type === 'execute_request') return // when it starts
    super.publishStatus(status, parent)
    // An answer in between, a completion say, does not end the cell.
    if (status === 'idle' && running && running.message !== parent) super.publishStatus('busy', running.message)
  }

  override async init(): Promise<void> {
    await super.init()
    // After 512 messages zeromq lets one wait for the next turn, and throws at whoever sends another before ("Socket is busy writing").
    this.iopub.sendTimeout = 0
  }
}

// tslab constructs the server by this name.
Object.assign(jupyter, { ZmqServer: Server })
const others = process.listeners('SIGINT')
startKernel({ configPath: process.argv[2] ?? '', enableFindLocal: false })
const [endWaiting] = process.listeners('SIGINT').filter((listener) => !others.includes(listener))
if (endWaiting) {
  process.off('SIGINT', endWaiting)
  process.on('SIGINT', (...args) => {
    const cell = running?.cell
    if (cell?.listens && !cell.controller.signal.aborted) cell.controller.abort()
    else endWaiting(...args)
  })
}
