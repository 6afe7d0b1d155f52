/** The options of several processes, and what is said of them: without a process. */
import { join } from 'node:path'
import { ClusterError } from 'makemoe'
import { memberOf } from 'makemoe/dist/cli/cluster-options'
import { workerArguments } from 'makemoe/dist/cli/workers'
import { TensorflowError } from 'makemoe/dist/engine/tensorflow/c-api'
import { asClusterError, differenceOf } from 'makemoe/dist/runs/cluster/membership'
import { expect, test } from 'vitest'
import { folder, train } from './run'

test('what cannot work is refused before anything starts', async () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { status, output } = await train(...args, '--out', join(folder, 'refused'))
    expect(status).toBe(2)
    return output
  }
  expect(await refused('--cluster', 'a:1,b:1', '--worker', '0')).toMatch(/no --trust-network: TensorFlow listens on all network interfaces/)
  expect(await refused('--workers', '3')).toMatch(/batchSize: got 8 sequences in total, expected a multiple of the 3 workers/)
  expect(() => memberOf({ workers: 9 })).toThrow(/workers: got 9, expected 2 to 8/)
  expect(() => memberOf({ cluster: 'a:1,b', worker: 0 })).toThrow(/cluster: got b, expected host:port/)
  expect(() => memberOf({ cluster: 'a:1,b:1', worker: 2 })).toThrow(/worker: got 2, expected 0 to 1/)
})

test('TF_CONFIG names the workers', () => {
  const config = { cluster: { worker: ['a:1', 'b:2'] }, task: { type: 'worker', index: 1 } }
  const member = memberOf({ trustNetwork: true }, { TF_CONFIG: JSON.stringify(config) })
  expect(member).toEqual({ hosts: ['a:1', 'b:2'], index: 1, wait: 8 })
  const withChief = JSON.stringify({ ...config, cluster: { chief: ['c:3'], worker: ['a:1'] } })
  expect(() => memberOf({}, { TF_CONFIG: withChief })).toThrow(/TF_CONFIG: got the job chief/)
  expect(memberOf({}, {})).toBe(undefined)
})

test('facts are compared by name, and the launcher keeps its own options to itself', () => {
  expect(differenceOf({ version: 'a', seed: '1' }, { version: 'b', seed: '1' })).toBe('version b, worker 0 has a')
  expect(differenceOf({ seed: '1' }, { seed: '1' })).toBe(undefined)
  expect(workerArguments(['--workers', '2', '--steps', '3', '--out=x', '--mlflow', '--eager'])).toEqual(['--steps', '3', '--eager'])
})

test("TensorFlow's words about a lost worker become a sentence; other errors stay as they are", () => {
  const member = { hosts: ['a:1', 'b:2'], index: 0, wait: 8 }
  const lost = asClusterError(
    new TensorflowError('The following tasks are unhealthy (stopped sending heartbeats): /job:worker/task:1', 14),
    member,
  )
  expect(lost).toBeInstanceOf(ClusterError)
  expect(String(lost)).toMatch(/worker 0 stopped: worker 1 \(b:2\) no longer answers/)
  const other = new Error('of something else')
  expect(asClusterError(other, member)).toBe(other)
})
