import { createRequire } from 'node:module'
import { AdamW, compile, createStreams, presets, SparseMoELanguageModel, type Tensor, tf } from 'makemoe'
import { nextCharacter } from 'makemoe/dist/makemoe/model/sampler'
import { makeTrainStep } from 'makemoe/dist/makemoe/train/step'
import { beforeAll, describe, expect, test, vi } from 'vitest'

// As lib itself has them; an import would be another copy, transformed by vitest.
const require = createRequire(import.meta.url)
const { GraphBuilder } =
  require('makemoe/dist/engine/tensorflow/graph-builder') as typeof import('makemoe/dist/engine/tensorflow/graph-builder')
const { loadFunctions } = require('makemoe/dist/base/libc') as typeof import('makemoe/dist/base/libc')
const { tensorflow } = require('makemoe/dist/engine/tensorflow/c-api') as typeof import('makemoe/dist/engine/tensorflow/c-api')
const { findLibraries } = require('makemoe/dist/engine/tensorflow/libraries') as typeof import('makemoe/dist/engine/tensorflow/libraries')
const { kernelsOf } = require('makemoe/dist/engine/tensorflow/protos') as typeof import('makemoe/dist/engine/tensorflow/protos')
const { dataType } = require('makemoe/dist/engine/tensorflow/types') as typeof import('makemoe/dist/engine/tensorflow/types')
type Builder = InstanceType<typeof GraphBuilder>
type KernelDefinition = ReturnType<typeof kernelsOf>[number]

/** An op as a graph uses it: the types of its attributes that are types. */
interface Use {
  readonly op: string
  readonly types: Readonly<Record<string, number>>
  readonly outputs: readonly number[]
}

const known = new Map<string, KernelDefinition[]>()
function kernels(op: string): KernelDefinition[] {
  const found = known.get(op) ?? kernelsOf(op)
  known.set(op, found)
  return found
}

const uses = new Map<string, Use>()

/** Notes every operation of the functions that `run` defines. */
function observe(run: () => void): void {
  const { TF_OperationGetAttrType: typeOf } = loadFunctions(findLibraries().tensorflow, {
    TF_OperationGetAttrType: ['void', 'uint64_t', 'str', 'void*', 'uint64_t'],
  } as const)
  const { call } = tensorflow()
  const status = call.TF_NewStatus()
  const inGraph = new Map<Builder, Use[]>()
  const { add, define } = GraphBuilder.prototype
  vi.spyOn(GraphBuilder.prototype, 'add').mockImplementation(function (this: Builder, op, ...rest) {
    const operation = add.call(this, op, ...rest)
    const names = new Set(['T', 'dtype', ...kernels(op).flatMap(({ types }) => Object.keys(types))])
    const types = [...names].flatMap((name) => {
      const type = new Int32Array(1)
      typeOf(operation.pointer, name, type, status)
      return call.TF_GetCode(status) === 0 ? [[name, type[0]]] : []
    })
    const use = { op, types: Object.fromEntries(types), outputs: this.outputTypes(operation.pointer) }
    inGraph.set(this, [...(inGraph.get(this) ?? []), use])
    return operation
  })
  vi.spyOn(GraphBuilder.prototype, 'define').mockImplementation(function (this: Builder, ...rest) {
    for (const use of inGraph.get(this) ?? []) uses.set(JSON.stringify(use), use)
    return define.apply(this, rest)
  })
  run()
  vi.restoreAllMocks()
}

beforeAll(() => {
  observe(() => {
    for (const capacityFactor of [undefined, 1]) {
      const config = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 1, blockSize: 8, numExperts: 4, vocabSize: 11, capacityFactor }
      const streams = createStreams(7)
      const model = new SparseMoELanguageModel(config, streams.init)
      const step = compile(makeTrainStep(model, new AdamW(model.namedParameters()), streams, { reporting: true }))
      const evaluate = compile((x: Tensor, y: Tensor) => model.loss(x, y, { training: false, streams }))
      const sample = compile((window: Tensor, last: Tensor) => {
        const options = { temperature: 0.9, sampleTopK: 5, sampleTopP: 0.9 }
        return nextCharacter(model, window, last, options, { training: false, streams })
      })
      const tokens = streams.data.integers([2, 8], 0, 11)
      for (const result of [...Object.values(step(tokens, tokens)), evaluate(tokens, tokens), sample(tokens, tf.tensor1d([7, 7], 'int32'))])
        result.dispose()
    }
  })
})

/** The kernel that an op gets on a kind of device, if it has one there. */
function kernelFor({ op, types }: Use, device: string): KernelDefinition | undefined {
  const fits = (kernel: KernelDefinition): boolean =>
    Object.entries(kernel.types).every(([name, allowed]) => allowed.includes(types[name] ?? Number.NaN))
  const fitting = kernels(op).filter(fits)
  return fitting.find(({ deviceType }) => deviceType === device) ?? fitting.find(({ deviceType }) => deviceType === 'DEFAULT')
}

const hasCuda = kernelsOf('MatMul').some(({ deviceType }) => deviceType === 'GPU')
const describeUse = ({ op, types }: Use): string => `${op} ${JSON.stringify(types)}`

describe(`ops of the training step, of evaluation and of sampling (${hasCuda ? 'the CUDA build' : 'no CUDA build here: on the CPU'})`, () => {
  test('there are all kinds of them', () => {
    const ops = new Set([...uses.values()].map(({ op }) => op))
    const expected = ['ResourceApplyAdam', 'DynamicPartition', 'MatMul', 'TopKV2', 'StatelessMultinomial', 'AssignVariableOp']
    for (const op of expected) expect(ops).toContain(op)
  })
  test('each has a kernel on the device; on the host is only what TensorFlow keeps there: int32, for sizes and indices', () => {
    const device = hasCuda ? 'GPU' : 'CPU'
    const onHost: string[] = []
    for (const use of uses.values()) {
      if (['Placeholder', 'Const'].includes(use.op)) continue // the function's arguments; constants go where they are used
      const kernel = kernelFor(use, device)
      const float = Object.values(use.types).includes(dataType.float32) && use.outputs.includes(dataType.float32)
      if (!kernel) {
        expect(float, `${describeUse(use)} has no ${device} kernel`).toBe(false)
        onHost.push(`${describeUse(use)}: no kernel on the device`)
      } else if (device === 'GPU' && kernel.hostMemory.length > 0) {
        onHost.push(`${describeUse(use)}: in the host's memory: ${[...new Set(kernel.hostMemory)].join(', ')}`)
      }
    }
    if (hasCuda) console.info(`On the host:\n  ${[...new Set(onHost)].sort().join('\n  ')}`)
    else expect(onHost).toEqual([])
  })
})
