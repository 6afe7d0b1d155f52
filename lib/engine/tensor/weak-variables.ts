/**
 * tfjs's engine lists every variable by name and so keeps it, and with it its numbers, until it is disposed of. Here it lists them weakly:
 * a variable that nothing else holds, of a model that a cell has made anew say, is collected, and its numbers are freed then.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs'

/** What tfjs's engine has of variables. */
export interface VariableEngine {
  readonly state: { registeredVariables: Record<string, Variable> }
  makeVariable(...args: never): unknown
  disposeVariable(variable: Variable): void
  disposeTensor(tensor: Tensor): void
}

/** What the engine needs to free a variable's numbers. */
type Remains = Pick<Tensor, 'dtype' | 'size'> & { dataId: Tensor['dataId'] }

/** Keeps what is left of a variable apart from it, also when it is assigned. */
function remainsOf(variable: Variable): Remains {
  const remains = { dtype: variable.dtype, size: variable.size, dataId: variable.dataId }
  Object.defineProperty(variable, 'dataId', {
    configurable: true,
    enumerable: true,
    get: () => remains.dataId,
    set: (dataId: Tensor['dataId']) => {
      remains.dataId = dataId
    },
  })
  return remains
}

/** A record of variables that does not keep them; one that was collected is not in it. */
function weakRecord(): Record<string, Variable> {
  const references = new Map<string, WeakRef<Variable>>()
  const get = (name: string | symbol): Variable | undefined => references.get(String(name))?.deref()
  return new Proxy<Record<string, Variable>>(
    {},
    {
      get: (_, name) => get(name),
      has: (_, name) => get(name) !== undefined,
      set: (_, name, variable: Variable) => references.set(String(name), new WeakRef(variable)) === references,
      deleteProperty: (_, name) => references.delete(String(name)) || true,
      ownKeys: () => [...references.keys()].filter((name) => get(name) !== undefined),
      getOwnPropertyDescriptor: (_, name) => {
        const value = get(name)
        return value && { value, configurable: true, enumerable: true, writable: true }
      },
    },
  )
}

/** Makes an engine, which has no variables yet, list them weakly. */
export function listVariablesWeakly(engine: VariableEngine): void {
  const { makeVariable, disposeVariable, state } = engine
  state.registeredVariables = weakRecord()
  const collected = new FinalizationRegistry<{ readonly name: string; readonly remains: Remains }>(({ name, remains }) => {
    // The name may belong to a new variable already.
    if (!(name in state.registeredVariables)) delete state.registeredVariables[name]
    engine.disposeTensor(remains as Tensor) // which looks at nothing else
  })
  engine.makeVariable = (...args) => {
    const variable = makeVariable.apply(engine, args) as Variable
    collected.register(variable, { name: variable.name, remains: remainsOf(variable) }, variable)
    return variable
  }
  engine.disposeVariable = (variable) => {
    collected.unregister(variable)
    disposeVariable.call(engine, variable)
  }
}
