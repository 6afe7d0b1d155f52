/** The few functions of the C library that Node has no equivalent of, and how any shared library's functions become JavaScript ones. */

/** A C function's result and parameters, in koffi's names of C types. */
export type Signature = readonly [result: string, ...parameters: string[]]

/** How a C type looks in JavaScript; pointers that are only passed on are declared `uint64_t` and are numbers. */
type Value<T extends string> = T extends 'void'
  ? undefined
  : T extends 'str'
    ? string
    : T extends 'void*'
      ? ArrayBufferView | null
      : T extends 'TF_Output'
        ? { readonly oper: number; readonly index: number }
        : number

/** A C function as JavaScript calls it. */
type Call<S extends Signature> = S extends readonly [infer R extends string, ...infer P extends readonly string[]]
  ? (...args: { [K in keyof P]: Value<P[K]> }) => Value<R>
  : never

/** A table of C functions as JavaScript calls them. */
export type Functions<Table extends Readonly<Record<string, Signature>>> = { readonly [Name in keyof Table]: Call<Table[Name]> }

/** Loads a shared library and binds the functions of a table. */
export function loadFunctions<Table extends Readonly<Record<string, Signature>>>(file: string, table: Table): Functions<Table> {
  const koffi: typeof import('koffi') = require('koffi')
  const library = koffi.load(file, { lazy: true }) // symbols are bound when they are first called: half the time to load TensorFlow
  const bound = Object.entries(table).map(([name, [result, ...parameters]]) => [name, library.func(symbolOf(name), result, parameters)])
  return Object.fromEntries(bound) as Functions<Table> // what the table says is what was bound
}

/** `memcpy$in` and `memcpy$out` are one C function with two ways to pass its arguments. */
const symbolOf = (name: string): string => name.replace(/\$.*/, '')

const P = 'uint64_t'

const signatures = {
  dup: ['int', 'int'],
  dup2: ['int', 'int', 'int'],
  flock: ['int', 'int', 'int'],
  /** Linux alone. */
  prctl: ['int', 'int', 'uint64_t', 'uint64_t', 'uint64_t', 'uint64_t'],
  /** From JavaScript's memory to the library's, the other way round, and within the library's. */
  memcpy$in: [P, P, 'void*', 'size_t'],
  memcpy$out: [P, 'void*', P, 'size_t'],
  memcpy: [P, P, P, 'size_t'],
} as const satisfies Record<string, Signature>

let loaded: Functions<typeof signatures> | undefined

/** The C library's functions. */
export function libc(): Functions<typeof signatures> {
  loaded ??= loadFunctions(process.platform === 'darwin' ? '/usr/lib/libSystem.B.dylib' : 'libc.so.6', signatures)
  return loaded
}

/** Memory that JavaScript and a library both see, so that small arguments and results need no copy. */
export class SharedMemory {
  /** Its address. */
  readonly address: number
  readonly buffer: ArrayBuffer
  /** Keeps the memory from being freed. */
  private readonly memory: unknown

  constructor(bytes: number) {
    const koffi: typeof import('koffi') = require('koffi')
    this.memory = koffi.alloc('uint8_t', bytes)
    this.address = Number(koffi.address(this.memory))
    this.buffer = koffi.view(this.memory, bytes)
  }
}
