/**
 * A trainable variable that the objective depends on and that the model does not list (in a #private field, in a closure): it would neither be
 * trained nor saved.
 */
import { reachedVariables } from '../../engine/tensor/runtime'
import type { Tensor } from '../../engine/tensor/tf'
import type { NamedParameter } from '../nn/parameter'

const checked = new WeakSet<object>()

/** Warns of such variables, once for each model; called where its objective has just been computed. */
export function nameUnlisted(model: { namedParameters(): readonly NamedParameter[] }, objective: Tensor): void {
  if (checked.has(model)) return
  checked.add(model)
  const listed = new Set(model.namedParameters().map(([, parameter]) => parameter))
  const unlisted = [...reachedVariables(objective)].filter((variable) => variable.trainable && !listed.has(variable))
  const [first] = unlisted
  if (first)
    console.warn(
      `the loss depends on ${unlisted.length} trainable variables that the model does not list, the first of shape [${first.shape.join(', ')}]: ` +
        'they are neither trained nor saved; hold them in properties of a Module, or pass them through tf.stopGradient',
    )
}
