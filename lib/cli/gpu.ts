/** Asked for a GPU, the program uses one or stops. */
import { SetupError } from '../base/errors'
import { commandLine } from '../base/installed'
import { backend } from '../engine/tensor/op'

/** @throws SetupError if TensorFlow sees no GPU */
export function requireGpu(): void {
  if (backend().isUsingGpuDevice) return
  throw new SetupError(
    'a GPU was asked for, but TensorFlow sees none',
    `run ${commandLine('setup', '--gpu')} for the CUDA build; nvidia-smi must list the GPU; TF_CPP_MIN_LOG_LEVEL=0 shows what TensorFlow misses`,
  )
}
