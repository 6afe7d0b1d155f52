/**
 * A trace for a reader: one line an op, in order, with its inputs, shapes and the line of the caller's code. Sizes that depend on data are
 * n1, n2, ...; ops that the same line called again and again (experts, layers) are counted where they first appear.
 */

import { at, valueAt } from '../../base/assertions'
import { siteOf } from '../../base/caller-site'
import { nameOfType } from '../tensorflow/types'
import { shapeName } from './sizes'
import { type Ref, stepName } from './step'
import type { Trace } from './trace'

/**
 * Prints a trace.
 * @param limit how many lines at most
 */
export function printTrace(name: string, { nodes, results }: Trace, limit: number): string {
  const refName = ({ node, output }: Ref): string => `%${node}${at(nodes, node).dims.length > 1 ? `.${output}` : ''}`
  const repeated = new Map<string, number>()
  const lines = nodes.flatMap((node, index) => {
    const { step, dims, dtypes } = node
    if (step.kind !== 'op' && step.kind !== 'update' && step.kind !== 'argument') return []
    const site = step.kind === 'argument' || !node.site ? '' : siteOf(node.site).replace(/.*[/\\]([^/\\]+?):(\d+):\d+\)?$/, '$1:$2')
    const key = `${stepName(step)} ${site}`
    const count = repeated.get(key)
    repeated.set(key, (count ?? 0) + 1)
    if (count !== undefined && site !== '') return []
    // Constants and variables are shown where they are used.
    const show = (ref: Ref): string => {
      const source = at(nodes, ref.node)
      const isOp = source.step.kind === 'op' || source.step.kind === 'update' || source.step.kind === 'argument'
      return isOp ? refName(ref) : `<${stepName(source.step)}>`
    }
    const inputs = 'inputs' in step ? step.inputs.map(show) : []
    const few = inputs.length > 6 ? [...inputs.slice(0, 3), `... ${inputs.length - 4} more`, inputs.at(-1)] : inputs
    const shapes = dims.map((dim, i) => `${nameOfType(at(dtypes, i))}${shapeName(dim)}`)
    const types = shapes.length > 3 ? [...shapes.slice(0, 2), `... ${shapes.length - 3} more`, shapes.at(-1)] : shapes
    return [{ key, site, text: `%${index} = ${stepName(step)}(${few.join(', ')}) -> ${types.join(', ')}` }]
  })
  const shown = lines.slice(0, limit).map(({ key, site, text }) => {
    const times = valueAt(repeated, key)
    return `${text}${site === '' ? '' : `   # ${site}`}${times > 1 && site !== '' ? `, ${times} times` : ''}`
  })
  const ops = nodes.filter(({ step }) => step.kind === 'op' || step.kind === 'update').length
  const rest = lines.length > limit ? [`... ${lines.length - limit} more lines`] : []
  return [`${name}: ${ops} ops`, ...shown, ...rest, `return ${results.map(refName).join(', ')}`].join('\n')
}
