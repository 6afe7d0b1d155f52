// Simulated machines: each worker has one core and a network namespace of its own, joined to the others by veth links of a given rate (tc's tbf).
// node test/runs/cluster/network.mjs [--workers 2,4] [--experts 8,16,32,64] [--gbit 1,10] [--rounds 4] [--json FILE] [--figure FILE.html]
// needs util-linux and iproute2, an unprivileged user namespace, and lib and test/bench compiled (`npm run bench -- --help` does it); a quiet machine for numbers that mean something.
//
// A machine's arithmetic is measured alone, with the share of the batch and of the experts that it would have; what it waits is measured among
// all workers, as the step together less the same step without exchanges (test/bench/workers.ts). Speed-up: the step of one machine over
// the sum of the two. What is missing: latency (netem is not in every kernel; here it is that of this machine's kernel), and cores: where
// there are fewer than workers, they share them while they wait for each other, too, and TensorFlow's transport needs a core for about
// 4 Gbit/s, so that waiting is overestimated.
// Run by hand.
import assert from 'node:assert'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { color, layout } from 'makemoe/dist/show/plot/figure'
import { figurePage } from 'makemoe/dist/show/plot/html'

const text = (value) => ({ type: 'string', default: value })
const options = {
  workers: text('2,4'),
  experts: text('8,16,32,64'),
  gbit: text('1,10'),
  rounds: text('4'),
  json: { type: 'string' },
  figure: { type: 'string' },
}
const { values } = parseArgs({ options })
const [counts, experts, rates] = [values.workers, values.experts, values.gbit].map((list) => list.split(',').map(Number))
const rounds = Number(values.rounds)

if (!process.env.MAKEMOE_SIMULATION) {
  // Again, as root of namespaces in which links can be made.
  const env = { ...process.env, MAKEMOE_SIMULATION: '1' }
  const { status } = spawnSync('unshare', ['-rnm', process.execPath, ...process.argv.slice(1)], { stdio: 'inherit', env })
  process.exit(status ?? 1)
}

const worker = resolve(import.meta.dirname, '../../dist/bench/team-worker.js')
const scratch = mkdtempSync(join(tmpdir(), 'makemoe-network-'))
const sh = (line) => execFileSync('/bin/sh', ['-ec', line], { stdio: ['ignore', 'ignore', 'inherit'] })
const median = (times) => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]
let port = 4000

/** A star: each worker's link leads to a router between them. */
function link(count) {
  sh('mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up && echo 1 > /proc/sys/net/ipv4/ip_forward')
  for (let i = 0; i < count; i++)
    sh(`ip netns add w${i}
      ip link add v${i} type veth peer name e netns w${i}
      ip addr add 10.0.${i}.1/24 dev v${i} && ip link set v${i} up
      ip -n w${i} link set lo up && ip -n w${i} addr add 10.0.${i}.2/24 dev e && ip -n w${i} link set e up
      ip -n w${i} route add default via 10.0.${i}.1`)
}
function setRate(count, gbit) {
  const shape = `root tbf rate ${gbit}gbit burst 256kb latency 50ms`
  for (let i = 0; i < count; i++) sh(`tc qdisc replace dev v${i} ${shape}; tc -n w${i} qdisc replace dev e ${shape}`)
}

/** Milliseconds of a step together and alone, and bytes sent, as worker 0 sees them. */
async function measure(count, size) {
  const file = join(scratch, 'answer.json')
  const request = JSON.stringify({ size, parallel: 'experts', capacityFactor: 1, rounds })
  const hosts = Array.from({ length: count }, (_, i) => `10.0.${i}.2:${port}`).join()
  port++ // a server does not give its port back at once
  const env = { ...process.env, MAKEMOE_THREADS: '1/1', TF_CPP_MIN_LOG_LEVEL: '3' }
  const children = Array.from({ length: count }, (_, i) =>
    spawn('ip', ['netns', 'exec', `w${i}`, process.execPath, worker, request, file, '--cluster', hosts, '--worker', String(i)], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env,
    }),
  )
  const statuses = await Promise.all(children.map((child) => new Promise((done) => child.on('close', done))))
  assert.deepEqual(
    statuses,
    statuses.map(() => 0),
  )
  const { together, alone, bytesSent } = JSON.parse(readFileSync(file, 'utf8'))
  return { together: median(together), alone: median(alone), bytesSent }
}

/** Speed-up against the number of experts, a line for each number of workers and rate. */
function figureOf(results) {
  const lines = counts.flatMap((workers) => rates.map((gbit) => ({ workers, gbit })))
  const data = lines.map(({ workers, gbit }) => {
    const own = results.filter((result) => result.workers === workers && result.gbit === gbit)
    return {
      type: 'scatter',
      mode: 'lines+markers',
      name: `${workers} machines, ${gbit} Gbit/s`,
      x: own.map(({ numExperts }) => String(numExperts)),
      y: own.map(({ speedUp }) => speedUp),
      line: { color: color(counts.indexOf(workers)), dash: ['solid', 'dash', 'dot'][rates.indexOf(gbit)] },
    }
  })
  const even = { type: 'line', xref: 'paper', x0: 0, x1: 1, y0: 1, y1: 1, line: { color: '#555555', dash: 'dot' } }
  const axes = { xaxis: { type: 'category' }, yaxis: { rangemode: 'tozero' }, shapes: [even] }
  return { data, layout: layout('Simulated machines: speed-up of a step', 'experts', 'speed-up (1 breaks even)', axes) }
}

const results = []
try {
  link(Math.max(...counts))
  console.log('experts  workers  Gbit/s  one machine ms  arithmetic ms  waited ms  sent MB  speed-up')
  for (const numExperts of experts) {
    const size = { nEmbed: 128, nHead: 8, nLayer: 8, blockSize: 32, topK: 2, numExperts, batchSize: 16 }
    const { together: one } = await measure(1, size)
    for (const count of counts) {
      const { together: arithmetic } = await measure(1, { ...size, numExperts: numExperts / count, batchSize: size.batchSize / count })
      for (const gbit of rates) {
        setRate(count, gbit)
        const { together, alone, bytesSent } = await measure(count, size)
        const waited = together - alone
        const speedUp = one / (arithmetic + waited)
        results.push({ numExperts, workers: count, gbit, one, arithmetic, waited, bytesSent, speedUp })
        const cells = [one.toFixed(0), arithmetic.toFixed(0), waited.toFixed(0), (bytesSent / 1e6).toFixed(2), speedUp.toFixed(2)]
        console.log([numExperts, count, gbit, ...cells].map((cell, i) => String(cell).padStart([7, 9, 8, 16, 15, 11, 9, 10][i])).join(''))
        if (values.json) writeFileSync(values.json, `${JSON.stringify({ rounds, results }, null, 2)}\n`)
      }
    }
  }
  if (values.figure) writeFileSync(values.figure, figurePage(figureOf(results)))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
