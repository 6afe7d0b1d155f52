/**
 * An export that is made when it is first read. In CommonJS every use of an import reads the exports of its module (`tf.add` compiles to
 * `tf_1.tf.add`), so that importing a file costs nothing of what its functions use later.
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
      const value = make()
      define({ value })
      return value
    },
  })
}
