/** How training makes its functions fast; the engine's `compile` is one, and the identity leaves them eager. */

/** Turns a function of tensors into a faster one of the same signature, which may have to be freed. */
export type Compile = <Args extends unknown[], R>(fn: (...args: Args) => R) => ((...args: Args) => R) & { readonly dispose?: () => void }

/** Leaves a function eager. */
export const eager: Compile = (fn) => fn
