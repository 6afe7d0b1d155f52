/** The fields of the settings: temperature, top-k, top-p and seed. */
import { element } from './view'
import type { Settings } from './writer'

const input = (id: string): HTMLInputElement => element<HTMLInputElement>(id)

/** Reads a number field. @throws Error that says what was expected */
function numberOf(id: string, name: string, expected: string, fits: (value: number) => boolean): number | undefined {
  const { value, validity } = input(id)
  const fine = !validity.badInput && (value === '' || fits(Number(value)))
  input(id).setAttribute('aria-invalid', String(!fine))
  if (!fine) throw new Error(`${name}: got ${value || 'no number'}, expected ${expected}`)
  return value === '' ? undefined : Number(value)
}

/** Reads the fields. @throws Error that says what was expected */
export function readSettings(): Settings {
  const topK = numberOf('top-k', 'Top-k', 'an integer from 1', (value) => Number.isInteger(value) && value >= 1)
  const topP = numberOf('top-p', 'Top-p', 'a number above 0, at most 1', (value) => value > 0 && value <= 1)
  const seed = numberOf('seed', 'Seed', 'an integer', (value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31) ?? 0
  return { temperature: Number(input('temperature').value), topK, topP, seed }
}

/** Fills the fields. */
export function showSettings({ temperature, topK, topP, seed }: Settings): void {
  input('temperature').value = String(temperature)
  showTemperature(temperature)
  input('top-k').value = String(topK ?? '')
  input('top-p').value = String(topP ?? '')
  input('seed').value = String(seed)
}

/** The number beside the slider. */
export function showTemperature(temperature: number): void {
  input('temperature-value').value = temperature.toFixed(2)
}

/** The settings in a few words. */
export function describeSettings({ temperature, topK, topP, seed }: Settings, expertsOff: number): string {
  const parts = [
    `temperature ${temperature}`,
    topK && `top-k ${topK}`,
    topP && `top-p ${topP}`,
    `seed ${seed}`,
    expertsOff > 0 && `${expertsOff} off`,
  ]
  return parts.filter(Boolean).join(', ')
}
