/** What the forward pass of a language model is given besides its input. */
import type { MixtureContext } from '../moe/context'
import type { CacheAtPosition } from './key-value-cache'

/** The context of a forward pass: whether it is training, the random streams, observers, and the cache when it generates. */
export interface ModelContext extends MixtureContext {
  /** Given when a text is fed position by position: x is then [S, 1, C]. */
  readonly cache?: CacheAtPosition
}
