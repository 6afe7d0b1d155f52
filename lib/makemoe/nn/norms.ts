/** The normalizations of the residual stream by name: config field `norm`, option `--norm`. A new one is a file and a line here. */
import type { Tensor } from '../../engine/tensor/tf'
import { LayerNorm } from './layer-norm'
import type { Module } from './module'
import { RmsNorm } from './rms-norm'

/** What a block needs of a normalization: [..., C] -> [..., C], each row on its own. */
export interface NormModule extends Module {
  forward(x: Tensor): Tensor
}

/** Makes a normalization of rows of a size. */
export type MakeNorm = (size: number) => NormModule

/** The normalizations by name. */
export const norms = {
  layer: (size) => new LayerNorm(size),
  rms: (size) => new RmsNorm(size),
} as const satisfies Record<string, MakeNorm>
