/**
 * Ops that update variables in place, such as the optimizers' ResourceApplyAdam, eagerly and in compiled functions.
 */
import { at } from '../../base/assertions'
import { type AttributeValue, attributesOf, backend } from './op'
import { type Tensor, tf, type Variable } from './tf'
import { updateVariables } from './variables'

/**
 * Updates variables by a TensorFlow op, after whatever was assigned to them and read of them before.
 * @param op its first inputs are resources, one for each variable
 * @param inputs its other inputs
 * @param attributes those that TensorFlow cannot infer from the inputs; `T` is the first variable's type, if it is not given
 */
export function updateInPlace(
  op: string,
  variables: readonly Variable[],
  inputs: readonly Tensor[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): void {
  const node = backend()
  const traced = node.binding.updateInPlace
  const typed = attributesOf({ T: { type: at(variables, 0).dtype }, ...attributes })
  if (!traced) {
    updateVariables(op, variables, inputs, typed)
    return
  }
  tf.tidy(() => {
    const updated = traced(op, variables, node.getInputTensorIds([...variables, ...inputs]), typed)
    for (const [i, variable] of variables.entries()) variable.assign(node.createOutputTensor(at(updated, i)))
  })
}
