/**
 * TensorFlow's C API: every function that we call, its signature written once, and its errors. Pointers are plain numbers; calls that can
 * fail report to one status, which `check` looks at. Nothing outside this folder and graph/ calls it.
 */
import { messageOf } from '../../base/assertions'
import { SetupError } from '../../base/errors'
import { commandLine } from '../../base/installed'
import { type Functions, loadFunctions, type Signature } from '../../base/libc'
import { findLibraries, type LibraryFiles } from './libraries'
import { withQuietStderr } from './quiet'

/** A pointer. */
export type Pointer = number

/** An output of an operation in a graph, as the C API takes it by value. */
export interface TfOutput {
  readonly oper: Pointer
  readonly index: number
}

/** What TensorFlow refused or failed to do, in its own words. */
export class TensorflowError extends Error {
  override name = 'TensorflowError'
  constructor(
    message: string,
    /** TF_Code: 3 is an invalid argument, 5 something that was not found, 8 a resource that is exhausted. */
    readonly code: number,
  ) {
    super(message)
  }
}

const P = 'uint64_t'

/** libtensorflow_cc: the context and its ops (TFE_), graphs and their operations (TF_). The status comes last where there is one. */
const signatures = {
  TF_Version: ['str'],
  TFE_NewContextOptions: [P],
  TFE_ContextOptionsSetConfig: ['void', P, 'void*', 'size_t', P],
  TFE_DeleteContextOptions: ['void', P],
  TFE_NewContext: [P, P, P],
  TFE_ContextListDevices: [P, P, P],
  TFE_ContextAddFunction: ['void', P, P, P],
  TFE_ContextRemoveFunction: ['void', P, 'str', P],
  TFE_EnableCollectiveOps: ['void', P, 'void*', 'size_t', P],
  TFE_InsertConfigKeyValue: ['void', P, 'str', 'str', P],
  TFE_GetConfigKeyValue: ['void', P, 'str', 'int64_t', P, P],
  TF_DeviceListCount: ['int', P],
  TF_DeviceListType: ['str', P, 'int', P],
  TF_DeviceListName: ['str', P, 'int', P],
  TF_DeleteDeviceList: ['void', P],
  TFE_NewOp: [P, P, 'str', P],
  TFE_OpReset: ['void', P, 'str', 'str', P],
  TFE_OpAddInput: ['void', P, P, P],
  TFE_OpSetAttrType: ['void', P, 'str', 'int'],
  TFE_OpSetAttrInt: ['void', P, 'str', 'int64_t'],
  TFE_OpSetAttrFloat: ['void', P, 'str', 'float'],
  TFE_OpSetAttrBool: ['void', P, 'str', 'uint8_t'],
  TFE_OpSetAttrString: ['void', P, 'str', 'str', 'size_t'],
  TFE_OpSetAttrShape: ['void', P, 'str', 'void*', 'int', P],
  TFE_OpSetAttrTypeList: ['void', P, 'str', 'void*', 'int'],
  TFE_OpSetAttrIntList: ['void', P, 'str', 'void*', 'int'],
  TFE_OpSetAttrFloatList: ['void', P, 'str', 'void*', 'int'],
  TFE_OpSetAttrBoolList: ['void', P, 'str', 'void*', 'int'],
  TFE_Execute: ['void', P, P, P, P],
  TFE_NewTensorHandle: [P, P, P],
  TFE_DeleteTensorHandle: ['void', P],
  TFE_TensorHandleResolve: [P, P, P],
  TFE_TensorHandleCopyToDevice: [P, P, P, 'str', P],
  TFE_TensorHandleNumDims: ['int', P, P],
  TFE_TensorHandleDim: ['int64_t', P, 'int', P],
  TFE_TensorHandleDataType: ['int', P],
  TFE_TensorHandleDeviceName: ['str', P, P],
  TF_StringInit: ['void', P],
  TF_StringCopy: ['void', P, 'void*', 'size_t'],
  TF_StringDealloc: ['void', P],
  TF_StringGetDataPointer: [P, P],
  TF_StringGetSize: ['size_t', P],
  TF_NewGraph: [P],
  TF_DeleteGraph: ['void', P],
  TF_NewOperation: [P, P, 'str', 'str'],
  TF_AddInput: ['void', P, 'TF_Output'],
  TF_AddInputList: ['void', P, 'void*', 'int'],
  TF_AddControlInput: ['void', P, P],
  TF_SetAttrString: ['void', P, 'str', 'str', 'size_t'],
  TF_SetAttrInt: ['void', P, 'str', 'int64_t'],
  TF_SetAttrFloat: ['void', P, 'str', 'float'],
  TF_SetAttrBool: ['void', P, 'str', 'uint8_t'],
  TF_SetAttrType: ['void', P, 'str', 'int'],
  TF_SetAttrShape: ['void', P, 'str', 'void*', 'int'],
  TF_SetAttrIntList: ['void', P, 'str', 'void*', 'int'],
  TF_SetAttrFloatList: ['void', P, 'str', 'void*', 'int'],
  TF_SetAttrTypeList: ['void', P, 'str', 'void*', 'int'],
  TF_SetAttrTensor: ['void', P, 'str', P, P],
  TF_FinishOperation: [P, P, P],
  TF_OperationNumOutputs: ['int', P],
  TF_OperationOutputType: ['int', 'TF_Output'],
  TF_GraphGetTensorNumDims: ['int', P, 'TF_Output', P],
  TF_GraphGetTensorShape: ['void', P, 'TF_Output', 'void*', 'int', P],
  TF_GraphSetTensorShape: ['void', P, 'TF_Output', 'void*', 'int', P],
  TF_GraphToFunctionWithControlOutputs: [
    ...[P, P, 'str', 'uint8_t', 'int', 'void*', 'int', 'void*', 'int', 'void*', 'void*'],
    ...['int', 'void*', 'void*', P, 'str', P],
  ],
  TF_DeleteFunction: ['void', P],
  TF_GraphGetOpDef: ['void', P, 'str', P, P],
  TF_GetRegisteredKernelsForOp: [P, 'str', P],
} as const satisfies Record<string, Signature>

/** libtensorflow_framework: statuses, buffers and tensors in the host's memory. */
const frameworkSignatures = {
  TF_NewStatus: [P],
  TF_SetStatus: ['void', P, 'int', 'str'],
  TF_GetCode: ['int', P],
  TF_Message: ['str', P],
  TF_NewBuffer: [P],
  TF_DeleteBuffer: ['void', P],
  TF_AllocateTensor: [P, 'int', P, 'int', 'size_t'],
  TF_DeleteTensor: ['void', P],
  TF_TensorData: [P, P],
  TF_TensorByteSize: ['size_t', P],
} as const satisfies Record<string, Signature>

/** The loaded API. */
export interface TensorflowApi {
  readonly call: Functions<typeof signatures> & Functions<typeof frameworkSignatures>
  /** The status that calls report to. */
  readonly status: Pointer
  /**
   * Looks at the last call that had the status.
   * @throws TensorflowError with TensorFlow's own message, if it failed
   */
  check(): void
}

let loaded: TensorflowApi | undefined
/** Whether koffi knows our types: it takes each once, also where loading fails and is tried again. */
let hasTypes = false

/** TensorFlow's C API, loaded when it is first asked for. */
export function tensorflow(): TensorflowApi {
  loaded ??= load()
  return loaded
}

/** Before TensorFlow is loaded, which looks at it then. */
function setEnvironment(): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  // TensorFlow asks for oneDNN's kernels by itself on some processors only. Without them (AMD, Milan) a matrix product packs both factors
  // again at every call: a step took 15 % more processor time and up to a quarter more memory, at every size.
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1'
}

/** The functions of both libraries. @throws SetupError if a file cannot be loaded: damaged, incomplete, or of another machine */
function loadLibraries({ framework, tensorflow }: LibraryFiles): TensorflowApi['call'] {
  try {
    return { ...loadFunctions(framework, frameworkSignatures), ...loadFunctions(tensorflow, signatures) }
  } catch (error) {
    throw new SetupError(
      `cannot load TensorFlow's library ${tensorflow}: ${messageOf(error)}`,
      `remove the folder that it is in, then ${commandLine('setup')} (${commandLine('doctor')} says what else is wrong)`,
    )
  }
}

function load(): TensorflowApi {
  setEnvironment()
  const koffi: typeof import('koffi') = require('koffi')
  if (!hasTypes) koffi.struct('TF_Output', { oper: P, index: 'int' })
  hasTypes = true
  const call = withQuietStderr(() => loadLibraries(findLibraries()))
  const status = call.TF_NewStatus()
  const check = (): void => {
    const code = call.TF_GetCode(status)
    if (code === 0) return
    const error = new TensorflowError(call.TF_Message(status), code)
    call.TF_SetStatus(status, 0, '') // not every call that succeeds says so
    throw error
  }
  return { call, status, check }
}
