import { afterEach } from 'vitest'

/** A kernel's side of the display: the messages that it would send to Jupyter. */
interface Sent {
  data: Record<string, unknown>
  transient: { display_id: string }
}
export const sent: [Sent, boolean][] = []
export const withKernel = () => {
  const write = (message: Sent, update: boolean) => sent.push([message, update])
  Object.assign(globalThis, { __tslab__: { require: () => ({ lastWriteDisplayData: write }) } })
}
afterEach(() => {
  sent.length = 0
  Reflect.deleteProperty(globalThis, '__tslab__')
})
