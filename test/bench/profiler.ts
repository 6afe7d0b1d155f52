/**
 * TensorFlow's own profiler, which has no C API: its C++ functions are called by their mangled names, as the pinned release has them on
 * Linux (Itanium C++ ABI: an object that is returned goes to the address that is passed first, `this` follows).
 */
import { SetupError } from 'makemoe/dist/base/errors'
import { libc, loadFunctions, SharedMemory, type Signature } from 'makemoe/dist/base/libc'
import { findLibraries } from 'makemoe/dist/engine/tensorflow/libraries'
import { Field, MapField, Root, Type } from 'protobufjs/light'

/** What a thread did: an op's kernel (`op` is its kind) or a part of TensorFlow's executor. */
export interface ProfileEvent {
  readonly name: string
  /** Its kind, if it is an op's kernel. */
  readonly op?: string
  /** Milliseconds from its start to its end. */
  readonly ms: number
  /** The same without the events within it. */
  readonly selfMs: number
}

const P = 'uint64_t'

const signatures = {
  /** ProfileOptions(arena) */
  _ZN10tensorflow14ProfileOptionsC1EPN6google8protobuf5ArenaE: ['void', P, P],
  /** XSpace(arena) */
  _ZN10tensorflow8profiler6XSpaceC1EPN6google8protobuf5ArenaE: ['void', P, P],
  /** bool message.ParseFromArray(bytes, length) */
  _ZN6google8protobuf11MessageLite14ParseFromArrayEPKvi: ['uint8_t', P, 'void*', 'int'],
  /** string message.SerializeAsString() */
  _ZNK6google8protobuf11MessageLite17SerializeAsStringB5cxx11Ev: [P, P, P],
  /** unique_ptr<ProfilerSession> ProfilerSession::Create(options) */
  _ZN3tsl15ProfilerSession6CreateERKN10tensorflow14ProfileOptionsE: [P, P, P],
  /** Status session.CollectData(space) */
  _ZN3tsl15ProfilerSession11CollectDataEPN10tensorflow8profiler6XSpaceE: [P, P, P, P],
} as const satisfies Record<string, Signature>

/** ProfileOptions (profiler_options.proto): version 1 in field 5; in field 2 the level of detail on the host, 3 for all ops. */
const options = Uint8Array.of(0x28, 1, 0x10, 3)

/** Room for each of the C++ objects; the largest, ProfileOptions, takes less than half. */
const room = 1024

/**
 * Runs something under TensorFlow's profiler.
 * @returns what each thread did
 * @throws SetupError where the profiler cannot be called
 */
export function profile(run: () => void): ProfileEvent[][] {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new SetupError(`TensorFlow's profiler is called on Linux x86-64 alone, this is ${process.platform}-${process.arch}`, 'use one')
  const call = loadFunctions(findLibraries().framework, signatures)
  const memory = new SharedMemory(5 * room)
  const [profileOptions = 0, session = 0, space = 0, status = 0, text = 0] = [0, 1, 2, 3, 4].map((i) => memory.address + i * room)
  const wordAt = (address: number): number => Number(new BigUint64Array(memory.buffer)[(address - memory.address) / 8])
  call._ZN10tensorflow14ProfileOptionsC1EPN6google8protobuf5ArenaE(profileOptions, 0)
  call._ZN6google8protobuf11MessageLite14ParseFromArrayEPKvi(profileOptions, options, options.length)
  call._ZN3tsl15ProfilerSession6CreateERKN10tensorflow14ProfileOptionsE(session, profileOptions)
  run()
  call._ZN10tensorflow8profiler6XSpaceC1EPN6google8protobuf5ArenaE(space, 0)
  call._ZN3tsl15ProfilerSession11CollectDataEPN10tensorflow8profiler6XSpaceE(status, wordAt(session), space)
  call._ZNK6google8protobuf11MessageLite17SerializeAsStringB5cxx11Ev(text, space)
  const bytes = new Uint8Array(wordAt(text + 8)) // a std::string: where it is, then its length
  libc().memcpy$out(bytes, wordAt(text), bytes.length)
  return threads(bytes)
}

/** XSpace as decoded: planes of lines (threads) of events, whose names stand apart (xplane.proto). */
interface Space {
  readonly planes: readonly {
    readonly lines: readonly {
      readonly events: readonly { readonly metadataId: number; readonly offsetPs: number; readonly durationPs: number }[]
    }[]
    readonly eventMetadata: Readonly<Record<string, { readonly name: string }>>
  }[]
}

function decodeSpace(bytes: Uint8Array): Space {
  const event = new Type('XEvent')
    .add(new Field('metadataId', 1, 'int64'))
    .add(new Field('offsetPs', 2, 'int64'))
    .add(new Field('durationPs', 3, 'int64'))
  const line = new Type('XLine').add(new Field('events', 4, 'XEvent', 'repeated'))
  const metadata = new Type('XEventMetadata').add(new Field('name', 2, 'string'))
  const plane = new Type('XPlane')
    .add(new Field('lines', 3, 'XLine', 'repeated'))
    .add(new MapField('eventMetadata', 4, 'int64', 'XEventMetadata'))
  const space = new Type('XSpace').add(new Field('planes', 1, 'XPlane', 'repeated'))
  const root = new Root()
  for (const type of [event, line, metadata, plane, space]) root.add(type)
  const decoded = space.toObject(space.decode(bytes), { longs: Number, arrays: true, objects: true, defaults: true })
  return decoded as unknown as Space // the types above describe its fields
}

function threads(bytes: Uint8Array): ProfileEvent[][] {
  return decodeSpace(bytes).planes.flatMap(({ lines, eventMetadata }) =>
    lines.map(({ events }) =>
      withSelfTimes(
        events.map(({ metadataId, offsetPs, durationPs }) => ({
          name: eventMetadata[metadataId]?.name ?? '',
          start: offsetPs,
          end: offsetPs + durationPs,
        })),
      ),
    ),
  )
}

/** An op's kernel is recorded as `name of the node:kind`. */
const kernelName = /^[^:]*:(\w+)$/

/** A thread's events, nested in one another, with the time that each has for itself. Starts and ends in picoseconds. */
export function withSelfTimes(events: readonly { readonly name: string; readonly start: number; readonly end: number }[]): ProfileEvent[] {
  const self = events.map(({ start, end }) => end - start)
  const order = events.map((_, i) => i)
  const of = (i: number): { start: number; end: number } => events[i] ?? { start: 0, end: 0 }
  order.sort((a, b) => of(a).start - of(b).start || of(b).end - of(a).end)
  const open: number[] = []
  for (const i of order) {
    while (open.length > 0 && of(open.at(-1) ?? 0).end <= of(i).start) open.pop()
    const parent = open.at(-1)
    if (parent !== undefined) self[parent] = (self[parent] ?? 0) - (of(i).end - of(i).start)
    open.push(i)
  }
  return events.map(({ name, start, end }, i) => {
    const [, op] = kernelName.exec(name) ?? []
    return { name, ms: (end - start) / 1e9, selfMs: (self[i] ?? 0) / 1e9, ...(op === undefined ? {} : { op }) }
  })
}
