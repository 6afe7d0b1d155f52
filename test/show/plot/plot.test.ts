import {
  attentionHeatmap,
  bars,
  capacityGrid,
  characterExpertMap,
  characterFrequencies,
  coActivationMap,
  Display,
  droppedTokens,
  exchangeCosts,
  expertLoad,
  type Figure,
  factorSweep,
  gatesHeatmap,
  interruptSignal,
  knockOutMap,
  loadOverTraining,
  lossCurves,
  parameterMap,
  publishedCurves,
  reportedCurves,
  routingNoise,
  show,
  smoothed,
  textByExpert,
  tf,
  trainingView,
  variantCurves,
} from 'makemoe'
import { describeProgress } from 'makemoe/dist/makemoe/train/pace'
import { color, layout, pale, palette, visible } from 'makemoe/dist/show/plot/figure'
import { figurePage } from 'makemoe/dist/show/plot/html'
import { afterEach, describe, expect, test } from 'vitest'

const figures: Record<string, Figure> = {
  characterFrequencies: characterFrequencies('hello\n'),
  lossCurves: lossCurves([{ name: 'train', steps: [0, 1, 2], losses: [4, 3, Number.NaN] }, publishedCurves.dropless]),
  expertLoad: expertLoad([
    [3, 1],
    [2, 2],
  ]),
  routingNoise: routingNoise([1, 0], [0.75, 0.25]),
  factorSweep: factorSweep([
    { factor: 1, dropped: 0.25, loss: 2, milliseconds: 60 },
    { factor: Number.POSITIVE_INFINITY, dropped: 0, loss: 1.9, milliseconds: 70 },
  ]),
  exchangeCosts: exchangeCosts([
    { model: 'free', factor: 1, waited: 5, sent: 2 },
    { model: 'free', factor: Number.POSITIVE_INFINITY, waited: 9, sent: 8 },
    { model: 'balanced', factor: 1, waited: 4, sent: 2 },
  ]),
  droppedTokens: droppedTokens({ flat: [0, 0.5] }),
  bars: bars('Time', 'time (ms)', { eager: 3, graph: 1 }),
  attentionHeatmap: attentionHeatmap(
    [
      [1, 0],
      [0.25, 0.75],
    ],
    ['a', ' '],
  ),
  gatesHeatmap: gatesHeatmap([[1, 0]], [[0.6, 0.4]]),
  capacityGrid: capacityGrid([[0, 1, 2]]),
  characterExpertMap: characterExpertMap(
    ['a', '\n'],
    [
      [1, 0],
      [0.5, 0.5],
    ],
    3,
  ),
  textByExpert: textByExpert('abc', [0, 1, 0], 2, { layer: 3, columns: 2 }),
  parameterMap: parameterMap('model', [
    ['a.weight', tf.variable(tf.zeros([2, 3]))],
    ['a.bias', tf.variable(tf.zeros([3]))],
  ]),
}

figures.variantCurves = variantCurves(
  {
    unchanged: [[4, 3, 2]],
    other: [
      [4, 2, 2],
      [4, 4, 4],
    ],
  },
  'Variants',
  1,
)
figures.reportedCurves = reportedCurves({ 'layer_0/z': { steps: [0, 10], values: [1, 2] } }, 'z')
figures.loadOverTraining = loadOverTraining(
  [0, 10],
  [
    [
      [3, 1],
      [2, 2],
    ],
    [
      [1, 1],
      [0, 4],
    ],
  ],
)

figures.coActivationMap = coActivationMap(
  [
    [1, 0.25],
    [Number.NaN, Number.NaN],
  ],
  'Layer 0',
)
figures.knockOutMap = knockOutMap([[2.1, 2.0, 2.35], undefined], 2)

describe('figures are plain, titled, labelled and legible', () => {
  test.each(Object.entries(figures))('%s', (_name, figure) => {
    expect(JSON.parse(JSON.stringify(figure))).toEqual(figure) // nothing but data: it survives being sent
    const { title, autosize, height, font } = figure.layout as {
      title: { text: string }
      autosize: boolean
      height: number
      font: { size: number }
    }
    expect(title.text).not.toBe('')
    expect(autosize).toBe(true)
    expect(figure.layout.width).toBeUndefined() // it fills its place
    for (const [, size] of JSON.stringify(figure).matchAll(/"size":(\d+),"family"|tickfont":{"size":(\d+)/g))
      expect(Number(size ?? 10)).toBeGreaterThanOrEqual(10)
    expect(height).toBeGreaterThan(100)
    expect(font.size).toBeGreaterThanOrEqual(12)
    expect(figure.data.length).toBeGreaterThan(0)
  })
  test('values', () => {
    const data = (name: string, i = 0) => figures[name]?.data[i] as Record<string, unknown>
    expect(data('characterFrequencies')).toMatchObject({ hovertext: ['l', 'h', 'e', 'o', '↵'], y: [2, 1, 1, 1, 1] })
    // every second label stands in a row below
    expect(figures.characterFrequencies?.layout).toMatchObject({ xaxis: { ticktext: ['l', '<br>h', 'e', '<br>o', '↵'] } })
    expect(data('lossCurves')).toMatchObject({ x: [0, 1, 2], y: [4, 3, null] })
    expect(data('lossCurves', 1)).toMatchObject({ line: { dash: 'dot' } })
    const published = lossCurves([publishedCurves.capacity, publishedCurves.dropless]).data as { line: { dash: string } }[]
    expect(published[0]?.line.dash).not.toBe(published[1]?.line.dash)
    expect(data('variantCurves', 0)).toMatchObject({ x: [0, 1, 2, 2, 1, 0], y: [4, 4, 4, 2, 2, 4] }) // the band
    expect(data('variantCurves', 1)).toMatchObject({ name: 'unchanged', y: [4, 3, 2] })
    expect(data('variantCurves', 2)).toMatchObject({ name: 'other (2 seeds)', y: [4, 3, 3] })
    expect(data('reportedCurves')).toMatchObject({ name: 'layer_0/z', x: [0, 10], y: [1, 2] })
    expect(data('loadOverTraining').z).toEqual([
      [1.5, 1],
      [0.5, 1],
      [1, 0],
      [1, 2],
    ])
    // without the diagonal, and without experts that nobody chose
    expect(data('coActivationMap')).toMatchObject({
      z: [
        [null, 0.25],
        [null, null],
      ],
    })
    // a row for each layer with what the loss rises by; a layer that minds no bias is empty
    expect(data('knockOutMap')).toMatchObject({ z: [[0.1, 0, 0.35], []], x: ['0', '1', '2'], y: ['0', '1'] })
    expect(figures.knockOutMap?.layout).toMatchObject({
      xaxis: { title: { text: 'expert' } },
      yaxis: { title: { text: 'layer' }, autorange: 'reversed' },
    })
    expect(data('expertLoad')).toMatchObject({ name: 'expert 0', y: [75, 50] })
    expect(data('routingNoise', 1)).toMatchObject({ y: [75, 25] })
    expect(data('factorSweep', 2)).toMatchObject({ x: ['1', 'none'], y: [25, 0] })
    // a color for each model, in both panels; the legend names it once
    expect(data('exchangeCosts')).toMatchObject({ name: 'free', x: ['1', 'none'], y: [5, 9], yaxis: 'y2', showlegend: true })
    expect(data('exchangeCosts', 3)).toMatchObject({ name: 'balanced', x: ['1'], y: [2], yaxis: 'y', showlegend: false })
    expect(data('droppedTokens')).toMatchObject({ x: [0, 1], y: [0, 50] })
    expect(data('attentionHeatmap')).toMatchObject({
      x: ['0: a', '1: ␣'],
      z: [
        [1, null], // masked, which is not a weight of 0
        [0.25, 0.75],
      ],
    })
    expect(data('gatesHeatmap')).toMatchObject({ z: [[1, null]] })
    expect(data('capacityGrid')).toMatchObject({ text: [['', 'served', 'dropped']] })
    expect(data('characterExpertMap')).toMatchObject({
      text: [
        ['a', '↵'],
        ['a', '↵'],
      ],
      z: [
        [1, 0.5],
        [0, 0.5],
      ],
    })
    expect(data('textByExpert')).toMatchObject({
      z: [
        [0, 1],
        [0, null],
      ],
      text: [
        ['a', 'b'],
        ['c', ''],
      ],
    })
    expect(data('parameterMap')).toMatchObject({ values: [9, 9, 6, 3], parents: ['', 'model', 'model.a', 'model.a'] })
  })
  test('smoothed is the running mean, at the start over the newer half', () => {
    expect(smoothed([1, 3, 5, 7], 2)).toEqual([1, 3, 4, 6])
    expect(smoothed([8, 6, 4, 2, 0, 1], 4)).toEqual([8, 6, 5, 3, 2, 1])
  })
  test('the axes of loss curves fit the run: all of a short one, not the first losses of a long one', () => {
    const range = (curve: { steps: number[]; losses: number[] }) => {
      const { xaxis, yaxis } = lossCurves([{ name: 'run', ...curve }, publishedCurves.dropless]).layout as Record<
        string,
        { range: [number, number] }
      >
      return { x: xaxis?.range ?? [0, 0], y: yaxis?.range ?? [0, 0] }
    }
    const short = range({ steps: [0, 30, 59], losses: [9, 4, 3] })
    expect(short.x[1]).toBeLessThan(70)
    expect(short.y[0]).toBeLessThan(3)
    expect(short.y[1]).toBeGreaterThan(9)
    const long = range({ steps: Array.from({ length: 51 }, (_, i) => 100 * i), losses: [9, ...new Array(50).fill(2)] })
    expect(long.x[1]).toBeGreaterThan(5000)
    expect(long.y[1]).toBeLessThan(5)
  })
  test('colors repeat after the palette; pale ones are halfway to white', () => {
    expect(color(palette.length)).toBe(palette[0])
    expect(pale('#0080ff')).toBe('#80c0ff')
    expect([visible(' '), visible('\n'), visible('a')]).toEqual(['␣', '↵', 'a'])
    expect(layout('t', 'x', 'y', { height: 9 })).toMatchObject({ height: 9, xaxis: { title: { text: 'x' } } })
  })
  test('a page holds plotly and cannot be broken out of', () => {
    const two = figurePage([bars('one', 'y', { a: 1 }), bars('two', 'y', { a: 1 })], { note: 'a < b', refresh: 5 })
    expect(two).toContain('>a &lt; b</pre>')
    expect(two).toContain('<meta http-equiv="refresh" content="5">')
    expect(two.match(/Plotly\.newPlot\('figure[01]'/g)).toHaveLength(2)
    const page = figurePage(bars('</script><b>', 'y', { a: 1 }))
    expect(page.length).toBeGreaterThan(1e6)
    expect(page).toContain('\\u003c/script>\\u003cb>')
  })
})

describe('in a kernel', () => {
  interface Sent {
    data: Record<string, unknown>
    transient: { display_id: string }
  }
  const sent: [Sent, boolean][] = []
  const withKernel = () => {
    const write = (message: Sent, update: boolean) => sent.push([message, update])
    Object.assign(globalThis, { __tslab__: { require: () => ({ lastWriteDisplayData: write }) } })
  }
  afterEach(() => {
    sent.length = 0
    Reflect.deleteProperty(globalThis, '__tslab__')
  })
  test('one message holds the figure and its title; showing again updates it', () => {
    withKernel()
    const display = new Display()
    display.figure(figures.bars as Figure)
    display.figure(figures.bars as Figure)
    show(figures.bars as Figure)
    expect(Object.keys(sent[0]?.[0].data ?? {})).toEqual(['application/vnd.plotly.v1+json', 'text/plain'])
    expect(sent.map(([, update]) => update)).toEqual([false, true, false])
    expect(sent[0]?.[0].transient.display_id).toBe(sent[1]?.[0].transient.display_id)
    expect(sent[2]?.[0].transient.display_id).not.toBe(sent[0]?.[0].transient.display_id)
  })
  test('a training view draws now and then, and at the end; outside a kernel nothing happens', () => {
    withKernel()
    const view = trainingView([publishedCurves.capacity], 'Training', 1e9)
    for (let step = 0; step < 40; step++) {
      if (step % 10 === 0) view.onMetric({ step, train_loss: 3, val_loss: 4 - step / 100 })
      view.onMetric({ step, loss: 3, ...(step % 10 === 0 ? { 'layer_0/z': step } : {}) })
      view.onProgress({ step: step + 1, steps: 40, loss: 3, tokensPerSecond: 1000, secondsLeft: 75 })
    }
    expect(view.curves()[1]).toEqual({ name: 'validation', steps: [0, 10, 20, 30], losses: [4, 3.9, 3.8, 3.7] })
    const texts = sent.map(([message]) => message.data['text/plain'])
    expect(texts.at(-1)).toBe('step 40/40 | loss 3.0000 | 1,000 tokens/s | 1:15 left')
    expect(texts.length).toBe(4) // the first and the last time, chart and line
    expect(view.reported()).toEqual({ 'layer_0/z': { steps: [0, 10, 20, 30], values: [0, 10, 20, 30] } })
    expect(view.load()).toBeUndefined()
    view.onMetric({ step: 40, loss: 3, 'routing/layer_0/load_0': 6, 'routing/layer_0/load_1': 2 })
    expect(view.load()?.data[0]?.z).toEqual([[1.5], [0.5]])
    sent.length = 0
    for (let step = 50; step < 100; step += 10) view.onMetric({ step, loss: 3, 'routing/layer_0/load_0': 8, 'routing/layer_0/load_1': 0 })
    view.onProgress({ step: 100, steps: 100, loss: 3, tokensPerSecond: 1000, secondsLeft: 0 })
    expect(sent.map(([message]) => message.data['text/plain'])).toEqual([
      'Training',
      'Load of each expert during training',
      'step 100/100 | loss 3.0000 | 1,000 tokens/s | 0:00 left\ndead experts: layer 0: 1',
    ])
    view.restart()
    expect(describeProgress({ step: 1, steps: 2, loss: 1, tokensPerSecond: 1, secondsLeft: 3661 })).toContain('1:01:01 left')
  })
  test('outside a cell the signal never fires', () => {
    expect(interruptSignal().aborted).toBe(false) // inside one: test/notebooks/kernel.py
  })
})
