/**
 * The kernel as Jupyter talks to it, on tslab's sockets: cells one after the other, each busy from its start to its end; an error as Jupyter's
 * own message, after which the cells that were sent with it are left out, unless the sender allows errors.
 */
import jupyter = require('tslab/dist/jupyter')

import { isCompleteCode } from 'tslab/dist/converter'
import { endCell, startCell } from '../../base/interrupt'
import { type Run, runOrLast, within } from './context'
import type { Report } from './errors'
import type { Executor } from './executor'
import { collectGarbage } from './garbage'
import { complete, inspect } from './inspection'
import { Output } from './output'
import { ts } from './typescript'

type Message = Parameters<jupyter.ZmqServer['handleExecute']>[1]
type Request = Parameters<jupyter.JupyterHandlerImpl['handleExecute']>[0]
type Handler = jupyter.ZmqServer['handler']

/** How long after an error cells that were sent before it may still arrive. */
const gatherMs = 30

interface Waiting {
  readonly message: Message
  readonly request: Request
  readonly answer: (content: object) => void
}

export class Server extends jupyter.ZmqServer {
  private readonly queue: Waiting[] = []
  private running: { readonly message: Message; readonly run: Run } | undefined
  private working = false
  private count = 0

  constructor(
    private readonly executor: Executor,
    connectionFile: string,
  ) {
    super(handlerOf(executor), connectionFile)
  }

  /** The run of the cell that executes now. */
  get run(): Run | undefined {
    return this.running?.run
  }

  get executions(): number {
    return this.count
  }

  override async handleExecute(socket: unknown, message: Message): Promise<void> {
    const content = await new Promise<object>((answer) => {
      this.queue.push({ message, request: message.content as Request, answer })
      void this.work()
    })
    this.reply(message, 'execute_reply', content, socket)
  }

  override publishStatus(status: string, parent: Message): void {
    if (status === 'busy' && parent.header.msg_type === 'execute_request') return // when it starts
    super.publishStatus(status, parent)
    // An answer in between, a completion say, does not end the cell.
    if (status === 'idle' && this.running && this.running.message !== parent) super.publishStatus('busy', this.running.message)
  }

  override async init(): Promise<void> {
    await super.init()
    // After 512 messages zeromq lets one wait for the next turn, and throws at whoever sends another before ("Socket is busy writing").
    this.iopub.sendTimeout = 0
    // By default what a client has not fetched after 1000 messages is dropped, the end of the cell too.
    this.iopub.sendHighWaterMark = 0
  }

  private reply(parent: Message, type: string, content: object, socket: unknown = this.iopub): void {
    const reply = parent.createReply()
    reply.header.msg_type = type
    reply.content = content
    reply.signAndSend(this.connInfo.key, socket)
  }

  private async work(): Promise<void> {
    if (this.working) return
    this.working = true
    for (let next = this.queue.shift(); next; next = this.queue.shift()) {
      await new Promise((done) => setImmediate(done)) // until the cell before is said to have ended
      const content = await this.execute(next)
      const leftOut = 'ename' in content && next.request.stop_on_error !== false ? await this.sentBefore() : []
      next.answer(content)
      for (const { answer } of leftOut) answer({ status: 'aborted', execution_count: this.count })
      await collectGarbage()
    }
    this.working = false
  }

  /** Takes the cells that were sent before the error was seen from the queue. */
  private async sentBefore(): Promise<Waiting[]> {
    let known: number
    do {
      known = this.queue.length
      await new Promise((done) => setTimeout(done, gatherMs))
    } while (this.queue.length > known)
    return this.queue.splice(0)
  }

  private async execute({ message, request }: Waiting): Promise<object> {
    if (!request.silent && request.store_history !== false) this.count++
    else this.count = Math.max(this.count, 1)
    const cell = { number: this.count, source: request.code }
    const output = new Output((name, text) => this.reply(message, 'stream', { name, text }))
    const run: Run = { output, cell: startCell(), interrupted: false, number: this.count }
    this.running = { message, run }
    super.publishStatus('busy', message)
    this.reply(message, 'execute_input', { code: request.code, execution_count: this.count })
    // tslab's `display`, and ours, take it from there when they are made. The module's own variable is read-only in its declarations.
    Object.assign(jupyter, {
      lastWriteDisplayData: (data: object, update: boolean) => {
        output.flush()
        this.reply(message, update ? 'update_display_data' : 'display_data', data)
      },
    })
    let report: Report | undefined
    try {
      report = await within(run, () => this.executor.execute(cell, run))
    } catch (error) {
      report = this.executor.report(error, this.count)
    }
    output.end()
    if (report) this.reply(message, 'error', report)
    this.running = undefined
    endCell()
    const count = { execution_count: this.count }
    return report ? { status: 'error', ...count, ...report } : { status: 'ok', ...count, payload: [], user_expressions: {} }
  }
}

/** tslab's answers to everything but cells, with ours where they differ. */
function handlerOf(executor: Executor): Handler {
  return {
    handleKernel: () => ({
      protocol_version: '5.3',
      implementation: 'makemoe',
      implementation_version: '1.0.0',
      language_info: {
        name: 'typescript',
        version: ts.version,
        mimetype: 'text/typescript',
        file_extension: '.ts',
        // Jupyter Notebook's and JupyterLab's highlighting of TypeScript.
        codemirror_mode: { mode: 'typescript', name: 'javascript', typescript: true },
      },
      banner: 'TypeScript (makeMoE)',
    }),
    handleExecute: () => Promise.reject(new Error('the server runs cells itself')),
    handleIsComplete: ({ code }) => {
      const { completed, indent = '' } = isCompleteCode(code)
      return completed ? { status: 'complete' } : { status: 'incomplete', indent }
    },
    handleInspect: ({ code, cursor_pos }) => {
      const found = executor.ask((converter, declarations) => inspect(converter, declarations, code, utf16Position(code, cursor_pos)))
      return { status: 'ok', found: found !== undefined, data: found === undefined ? {} : { 'text/plain': found }, metadata: {} }
    },
    handleComplete: ({ code, cursor_pos }) => {
      const { start, end, candidates } = executor.ask((converter, declarations) =>
        complete(converter, declarations, code, utf16Position(code, cursor_pos)),
      )
      const characters = (position: number): number => [...code.slice(0, position)].length
      return { status: 'ok', matches: candidates, cursor_start: characters(start), cursor_end: characters(end), metadata: {} }
    },
    handleShutdown: ({ restart }) => ({ restart }),
    close: () => {
      executor.close()
      setTimeout(() => process.exit(), 1000).unref() // whatever timers cells have left
    },
  }
}

/** Jupyter counts characters, JavaScript their halves. */
const utf16Position = (code: string, characters: number): number => [...code].slice(0, characters).join('').length

/** What the process writes belongs to the cell whose code writes it. */
export function captureOutput(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const write = (chunk: string | Uint8Array, encoding?: BufferEncoding | (() => void), done?: () => void): boolean => {
      runOrLast()?.output.write(name, chunk, typeof encoding === 'string' ? encoding : undefined)
      const callback = typeof encoding === 'function' ? encoding : done
      if (callback) process.nextTick(callback)
      return true
    }
    process[name].write = write as typeof process.stdout.write
  }
}
