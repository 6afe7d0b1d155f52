/** The page's program: opens the model and shows the desk, or what is wrong. */
import { engineOf, type PageData, parseData } from './contents'
import { Desk } from './desk'
import { simdLinear } from './kernel'
import { type MakeLinear, plainLinear } from './ops'
import { element, make } from './view'
import { decodeBase64 } from './weights'

function describe({ config, facts }: PageData): string {
  const { nLayer, numExperts, topK } = config
  const million = (count: number): string => (count >= 1e6 ? `${(count / 1e6).toFixed(1)} million` : count.toLocaleString('en-US'))
  const model = `${nLayer} layers of ${numExperts} experts; a router sends each character to ${topK} of them in each layer. ${million(facts.parameters)} parameters, ${million(facts.activeParameters)} at work for a character.`
  if (!facts.validation) return `${model} Weights: ${facts.precision}.`
  const { loss, lossInFull, characters } = facts.validation
  const cost = facts.precision === 'fp32' ? 'fp32 weights' : `${facts.precision} weights, ${lossInFull.toFixed(4)} in fp32`
  return `${model} Loss of ${characters.toLocaleString('en-US')} characters of validation text: ${loss.toFixed(4)} nats (${cost}).`
}

/** Opens the page; what goes wrong is said on it. */
function open(): void {
  const message = element('message')
  try {
    const data = parseData(document.getElementById('data')?.textContent)
    const holder = document.getElementById('weights')
    let makeLinear: MakeLinear = plainLinear
    let kernelName = 'plain JavaScript: this browser has no WebAssembly SIMD'
    try {
      makeLinear = simdLinear(decodeBase64(data.kernel))
      kernelName = 'WebAssembly SIMD'
    } catch {} // the plain loop does the same, slower
    const engine = engineOf(holder?.textContent?.trim() ?? '', data, makeLinear)
    holder?.remove() // its text is as long as the weights, and not needed any more
    element('main').hidden = false
    const desk = new Desk(engine, data, kernelName)
    element('facts').textContent = describe(data)
    message.remove()
    performance.mark('ready')
    desk.playback.play(!matchMedia('(prefers-reduced-motion: reduce)').matches)
  } catch (error) {
    element('main').hidden = true
    message.className = 'failed'
    message.setAttribute('role', 'alert')
    message.replaceChildren(make('strong', { textContent: error instanceof Error ? error.message : String(error) }))
  }
}

if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', open)
else open()
