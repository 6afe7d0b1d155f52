/**
 * tfjs-node's backend and kernels, which register themselves. Of that package only this JavaScript is needed, and its install script, which
 * fetches another TensorFlow and a compiled addon, is not: the build bundles it (lib/cli/bundle.mjs), so that who installs makemoe does not
 * install tfjs-node.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { KernelBackend, Tensor } from '@tensorflow/tfjs'
import type { Binding, TensorMetadata, TfjsBinding } from '../tensorflow/binding'

/** tfjs's bookkeeping for the data that tensors share: the values until an op first wants them, then TensorFlow's number for them. */
export interface TensorData {
  shape: number[]
  dtype: number
  /** null or undefined once they were handed over. */
  values: ArrayLike<number> | null
  id: number
  /** How many tensors share it. */
  refCount: number
}

/** The part of tfjs-node's backend that we rely on. */
export interface NodeBackend {
  binding: Binding & Readonly<Record<`TF_${string}`, number>>
  readonly isUsingGpuDevice: boolean
  readonly tensorMap: { get(dataId: object): TensorData; set(dataId: object, data: TensorData): void; has(dataId: object): boolean }
  /** Hands over values that were not yet, and gives the tensors' numbers. */
  getInputTensorIds(tensors: readonly Tensor[]): number[]
  createOutputTensor(metadata: TensorMetadata): Tensor
}

export interface TfjsNode {
  readonly NodeJSKernelBackend: new (binding: TfjsBinding, packageName: string) => NodeBackend & KernelBackend
}

/** Registers the kernels. */
export function loadTfjsNode(): TfjsNode {
  const bundle = join(__dirname, '../../vendor/tfjs-node.js')
  if (existsSync(bundle)) return require(bundle) as TfjsNode
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels')
  return require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend') as TfjsNode
}
