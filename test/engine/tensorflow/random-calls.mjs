// Random sequences of valid and invalid calls on the binding, in a process of their own: whatever they are, they end in a result or an error.
// node test/engine/tensorflow/random-calls.mjs [SEQUENCES] [SEED]; prints how many calls worked and how many of which error there were, as JSON.
// Run by random-calls.test.ts.
import fc from 'fast-check'
import { TensorError } from 'makemoe'
import { newBinding } from 'makemoe/dist/engine/tensorflow/binding'
import { TensorflowError } from 'makemoe/dist/engine/tensorflow/c-api'
import { tensorflowContext } from 'makemoe/dist/engine/tensorflow/context'

const sequences = Number(process.argv[2] ?? 1000)
const seed = Number(process.argv[3] ?? 1)
const binding = newBinding()
const context = tensorflowContext()
const outcomes = { worked: 0 }

const kind = fc.constantFrom(0, 1, 2, 3, 4, 5)
const dtype = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(1, 3, 10) },
  fc.constantFrom(0, 2, 4, 5, 7, 8, 9, 20, 21, 99, -1, 1.5, Number.NaN),
)
const size = fc.oneof({ weight: 8, arbitrary: fc.nat(3) }, fc.constantFrom(-1, 1.5, 2 ** 31, 2 ** 40, 2 ** 60, Number.NaN))
const shape = fc.oneof(
  { weight: 9, arbitrary: fc.array(size, { maxLength: 4 }) },
  fc.array(fc.constant(1), { minLength: 30, maxLength: 300 }),
)
const fitting = (of, type) => {
  const length = of.reduce((product, n) => product * n, 1)
  if (!(length >= 0 && length < 1e4)) return new Float32Array(3)
  return type === 1 ? new Float32Array(length).fill(1) : type === 3 ? new Int32Array(length).fill(1) : new Uint8Array(length).fill(1)
}
const values = fc.constantFrom(
  new Float32Array(4),
  new Int32Array(2),
  new Uint8Array(7),
  [1, 2],
  ['a'],
  [new Uint8Array(3)],
  'text',
  5,
  null,
  undefined,
)
/** Which tensor: one of those that were made (living or not), or nonsense. */
const pick = fc.oneof({ weight: 9, arbitrary: fc.nat(30) }, fc.constantFrom(-1, 1e9, 2 ** 60, 0.5, Number.NaN, 'x', null, undefined, {}))
// Those that the model uses, their neighbours, and names that are none.
const names = [
  'Add',
  'AddV2',
  'MatMul',
  'BatchMatMulV2',
  'Reshape',
  'ConcatV2',
  'SplitV',
  'Split',
  'GatherV2',
  'DynamicPartition',
  'DynamicStitch',
]
names.push(
  'Sum',
  'Mean',
  'Max',
  'Cast',
  'Softmax',
  'TopKV2',
  'OneHot',
  'Slice',
  'Transpose',
  'Tile',
  'Fill',
  'Range',
  'Cumsum',
  'Where',
  'Pack',
)
names.push(
  'Unpack',
  'BiasAdd',
  'Relu',
  'Identity',
  'Shape',
  'StridedSlice',
  'TensorScatterUpdate',
  'Bitcast',
  'StatelessMultinomial',
  'Select',
)
names.push(
  'StatelessRandomNormalV2',
  'StatelessRandomUniformIntV2',
  'SparseSoftmaxCrossEntropyWithLogits',
  'Pad',
  'ReverseV2',
  'ResourceApplyAdam',
)
names.push(
  'ReadVariableOp',
  'AssignVariableOp',
  'VarHandleOp',
  'StringJoin',
  'NoSuchOp',
  '',
  'Ä',
  'Placeholder',
  'Const',
  'NoOp',
  'IdentityN',
)
const value = fc.oneof(
  fc.constantFrom(true, false, 0, 1, 2, 3, -1, 7, 1.5, 2 ** 40, 1e300, Number.NaN, '', 'NHWC', 'name', null, undefined, {}, 10, 20, 99),
  fc.array(size, { maxLength: 3 }),
)
const attribute = fc.record({
  name: fc.constantFrom(
    'T',
    'dtype',
    'N',
    'Tidx',
    'Tshape',
    'DstT',
    'SrcT',
    'Tindices',
    'transpose_a',
    'axis',
    'num_partitions',
    'shape',
    'k',
    'nope',
    '',
  ),
  type: fc.oneof({ weight: 9, arbitrary: kind }, fc.constantFrom(6, -1, Number.NaN)),
  value,
})
const typed = fc.record({ name: fc.constantFrom('T', 'dtype', 'Tidx'), type: fc.constant(4), value: fc.constantFrom(1, 3) })
const call = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(shape, dtype).map(([s, d]) => ({ do: (ids) => ids.push(binding.createTensor(s, d, fitting(s, d))) })) },
  { weight: 1, arbitrary: fc.tuple(shape, dtype, values).map(([s, d, v]) => ({ do: (ids) => ids.push(binding.createTensor(s, d, v)) })) },
  { weight: 1, arbitrary: pick.map((i) => ({ do: (ids) => binding.deleteTensor(idOf(ids, i)) })) },
  { weight: 1, arbitrary: pick.map((i) => ({ do: (ids) => binding.tensorDataSync(idOf(ids, i)) })) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...names),
        fc.array(fc.oneof(typed, attribute), { maxLength: 4 }),
        fc.array(pick, { maxLength: 4 }),
        fc.integer({ min: -1, max: 3 }),
      )
      .map(([name, attributes, inputs, outputs]) => ({
        do: (ids) =>
          ids.push(
            ...binding
              .executeOp(
                name,
                attributes,
                inputs.map((i) => idOf(ids, i)),
                outputs,
              )
              .map(({ id }) => id),
          ),
      })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(shape, dtype).map(([s, d]) => ({
      do: (ids) => {
        const attributes = [
          { name: 'dtype', type: 4, value: d },
          { name: 'shape', type: 5, value: s },
          { name: 'shared_name', type: 0, value: 'fuzzed' },
        ]
        const [handle] = context.execute('VarHandleOp', attributes, [], 1)
        ids.push(binding.proxyFor(handle, d, () => {}))
      },
    })),
  },
  { weight: 1, arbitrary: pick.map((i) => ({ do: (ids) => ids.push(binding.snapshot(idOf(ids, i))) })) },
)

const idOf = (ids, i) => (Number.isInteger(i) && i >= 0 && ids.length > 0 ? ids[i % ids.length] : i)

function count(outcome) {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
}

for (const sequence of fc.sample(fc.array(call, { maxLength: 30, size: 'max' }), { numRuns: sequences, seed })) {
  const ids = []
  for (const step of sequence) {
    try {
      step.do(ids)
      count('worked')
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const known = [TensorError, TensorflowError, TypeError].find((type) => error instanceof type)
      if (!known) throw error
      count(known.name)
    }
  }
  for (const id of ids)
    try {
      binding.deleteTensor(id)
    } catch (error) {
      if (!(error instanceof TensorError)) throw error // deleted before
    }
}
console.log(JSON.stringify({ ...outcomes, left: binding.getNumOfTensors() }))
