import { Linear, Module, type NamedParameter, type Tensor, Trainer, tf } from 'makemoe'
import { experts, routers } from 'makemoe/dist/makemoe/moe/parts'
import { expect, test } from 'vitest'
import { cases } from '../../support'
import { setUp } from './small-model'

const warnings = async (model: ConstructorParameters<typeof Trainer>[0], of: ReturnType<typeof setUp>) => {
  const said: string[] = []
  await new Trainer(model, of.dataset, { ...of.config, steps: cases(1, 3), evalIters: 1 }, of.streams, {
    warn: (line) => said.push(line),
  }).run()
  return said
}

test('parameters that the loss does not reach are named once, when training starts', async () => {
  const small = setUp()
  class Forgetful extends Module {
    readonly used = new Linear(1, 1, small.streams.init)
    readonly forgotten = new Linear(1, 1, small.streams.init)
    loss(): Tensor {
      return tf.sum(this.used.forward(tf.ones([1, 1])))
    }
    override namedParameters(prefix?: string): NamedParameter[] {
      return super.namedParameters(prefix)
    }
  }
  expect(await warnings(new Forgetful(), small)).toEqual([
    'the loss does not reach forgotten.weight, forgotten.bias: without a gradient, nothing is learned there',
  ])
})

test.each(Object.keys(routers))("every parameter of lib's models is reached: router %s", async (router) => {
  for (const expert of Object.keys(experts)) {
    const change = { router, expert, topK: router === 'switch' ? 1 : 2, nLayer: 1, sharedExperts: 1 } as object
    const small = setUp(change)
    expect(await warnings(small.model, small)).toEqual([])
  }
})
