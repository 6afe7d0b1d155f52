/** A parameter that the loss does not reach is named once, when training starts: mostly a layer that `forward` forgot. */

/** @returns takes the names of such parameters, and warns of each once */
export function onceNamed(warn: (message: string) => void): (names: readonly string[]) => void {
  const named = new Set<string>()
  return (names) => {
    const unnamed = names.filter((name) => !named.has(name))
    for (const name of unnamed) named.add(name)
    if (unnamed.length > 0) warn(`the loss does not reach ${unnamed.join(', ')}: without a gradient, nothing is learned there`)
  }
}
