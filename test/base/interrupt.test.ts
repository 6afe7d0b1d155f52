import { interruptSignal } from 'makemoe'
import { endCell, startCell } from 'makemoe/dist/base/interrupt'
import { expect, test } from 'vitest'

// In a real kernel: test/notebooks/kernel.py.
test('outside a cell the signal never fires', () => {
  expect(interruptSignal().aborted).toBe(false)
})
test('in a cell it fires when the cell is interrupted, and the cell knows that somebody listens', () => {
  const cell = startCell()
  expect(cell.listens).toBe(false)
  const signal = interruptSignal()
  expect(cell.listens).toBe(true)
  cell.controller.abort()
  expect(signal.aborted).toBe(true)
  endCell()
  expect(interruptSignal().aborted).toBe(false)
})
