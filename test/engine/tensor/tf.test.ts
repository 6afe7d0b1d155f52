import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const dist = join(__dirname, '../../../lib/dist')

/** Runs a program in a process of its own and says what of TensorFlow it has loaded by its end. */
function loadedBy(program: string, ...args: string[]): { output: string; loaded: string[] } {
  const report = `process.on('exit', () => {
    const files = Object.keys(require.cache).filter((file) => /node_modules.(@tensorflow|koffi)/.test(file))
    const libraries = /libtensorflow/.test(process.platform === 'linux' ? require('fs').readFileSync('/proc/self/maps', 'utf8') : '')
    console.error(JSON.stringify([...files, ...(libraries ? ['libtensorflow'] : [])]))
  })`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', `${report}\n${program}`, '--', ...args], { encoding: 'utf8', cwd: dist })
  return { output: stdout, loaded: JSON.parse(stderr.trim().split('\n').at(-1) ?? '') }
}

test('the tables of parts have their names, and makers to call, without TensorFlow', () => {
  const { output, loaded } = loadedBy(`
    const { balances, dropPolicies, experts, routers } = require('./makemoe/moe/parts')
    const { optimizers } = require('./makemoe/optim')
    const { comparisons } = require('./lab/comparisons')
    console.log(JSON.stringify([balances, dropPolicies, experts, routers, optimizers, comparisons].map(Object.keys)))
    console.log(typeof routers.topk, typeof balances.switch.loss)`)
  expect(output).toMatch(/"switch".*"rank".*"relu".*"noisy-topk".*"adamw".*"router"/)
  expect(output).toMatch(/function function/)
  expect(loaded).toEqual([])
})

test.each([[['--help']], [['train', '--help']], [['compare', '--help']]])('makemoe %s is without TensorFlow', (args) => {
  const { output, loaded } = loadedBy("require('./cli/main').main(process.argv.slice(1)).then(process.exit)", ...args)
  expect(output).toContain('Usage: makemoe')
  expect(loaded).toEqual([])
})

test('importing makemoe is without TensorFlow; the first use of tf loads it, with everything that lib adds', () => {
  expect(loadedBy("require('./index')").loaded).toEqual([])
  const { output, loaded } = loadedBy(`
    const { tf } = require('./index')
    console.log(tf.oneHot([0], 1).shape.join(), tf.grad((x) => tf.sum(tf.topk(x, 1).values))(tf.tensor2d([[1, 2]])).dataSync().join())
    console.log(tf === require('./index').tf)`)
  expect(output).toBe('1,1 0,1\ntrue\n')
  expect(loaded).toContain('libtensorflow')
})

test('where TensorFlow is not there, its use says so, each time, in an ES module too', () => {
  const program = `
    import { createRequire } from 'node:module'
    const require = createRequire(process.cwd() + '/x.js')
    const { SetupError } = require('./base/errors')
    require('./engine/tensorflow/libraries').findLibraries = () => { throw new SetupError('not there', 'set it up') }
    const { createStreams, Linear, tf } = await import('makemoe')
    for (const use of [() => tf.zeros([1]), () => new Linear(2, 2, createStreams(1).init)])
      try { use() } catch (error) { console.log(error.name, error.message, error.remedy) }`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', cwd: dist })
  expect(stdout).toBe('SetupError not there set it up\n'.repeat(2))
})
