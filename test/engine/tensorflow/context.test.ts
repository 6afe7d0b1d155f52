import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

test.each([
  ['tfjs', "require('makemoe').tf.zeros([1])"],
  ['the context, as a worker asks for it before tfjs', "require('makemoe/dist/engine/tensorflow/context').tensorflowContext()"],
  ['the C API', "require('makemoe/dist/engine/tensorflow/c-api').tensorflow()"],
])('whoever comes first gets TensorFlow with our settings and without its notices: %s', (_, first) => {
  const { TF_ENABLE_ONEDNN_OPTS: _onednn, TF_CPP_MIN_LOG_LEVEL: _level, ...env } = process.env
  const shown = 'console.log(process.env.TF_ENABLE_ONEDNN_OPTS, process.env.TF_CPP_MIN_LOG_LEVEL)'
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', `${first}; ${shown}`], { cwd: __dirname, env, encoding: 'utf8' })
  expect([stdout, stderr]).toEqual(['1 2\n', ''])
})
