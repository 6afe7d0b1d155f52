/**
 * An export that is made when it is first read. In CommonJS every use of an import reads the exports of its module (`tf.add` compiles to
 * `tf_1.tf.add`), so that importing a file costs nothing of what its functions use later. An ES module's import reads all exports at once
 * and takes one that throws for undefined: so that the reason is not lost, what cannot be made throws it when it is used.
 * @param exports of the module, which declares the name: `export declare const tf: Tfjs`
 */
export function lazyExport<Exports extends object, Name extends keyof Exports & string>(
  exports: Exports,
  name: Name,
  make: () => Exports[Name],
): void {
  const define = (descriptor: PropertyDescriptor): void => {
    Object.defineProperty(exports, name, { enumerable: true, configurable: true, ...descriptor })
  }
  define({
    get() {
      try {
        const value = make()
        define({ value })
        return value
      } catch (error) {
        return new Proxy({}, { get: () => fail(error) })
      }
    },
  })
}

function fail(error: unknown): never {
  throw error
}
