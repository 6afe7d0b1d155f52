import { bars, Display, show } from 'makemoe'
import { expect, test } from 'vitest'
import { sent, withKernel } from './sent'

test('one message holds the figure and its title; showing again updates it', () => {
  withKernel()
  const figure = bars('Time', 'time (ms)', { eager: 3, graph: 1 })
  const display = new Display()
  display.figure(figure)
  display.figure(figure)
  show(figure)
  expect(Object.keys(sent[0]?.[0].data ?? {})).toEqual(['application/vnd.plotly.v1+json', 'text/plain'])
  expect(sent.map(([, update]) => update)).toEqual([false, true, false])
  expect(sent[0]?.[0].transient.display_id).toBe(sent[1]?.[0].transient.display_id)
  expect(sent[2]?.[0].transient.display_id).not.toBe(sent[0]?.[0].transient.display_id)
})
