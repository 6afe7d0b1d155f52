# Run by .ci/run.
"""The kernel as Jupyter sees it: busy from a cell's start to its end; an interrupted training ends its cell, keeps what the cell declares, and
trains on; an interrupt still ends what does not listen. Exit status 1 at the first thing that does not hold.
"""
import time

from kernel_client import Kernel

kernel = Kernel()
client, check, run = kernel.client, kernel.check, kernel.run

# Three cells at once, and a completion while the second runs.
cells = [client.execute("await new Promise((done) => setTimeout(done, 600))") for _ in range(3)]
time.sleep(0.9)
completion = client.complete("Mat", 3)
states = [
    (message["content"]["execution_state"], message["parent_header"]["msg_id"], time.time())
    for message in kernel.messages_until_idle([*cells, completion])
    if message["msg_type"] == "status"
]
for i, (state, parent, _) in enumerate(states[:-1]):
    if state == "idle":
        check(states[i + 1][0] == "busy", f"busy again at once after an idle while cells run: {states}")
check([parent for state, parent, _ in states if state == "idle" and parent in cells] == cells, "each cell ends once, in order")
check([parent for state, parent, _ in states if parent in cells and state == "busy"][0] == cells[0], "the first cell begins")
late = [i for i, (state, parent, _) in enumerate(states) if state == "busy" and parent == cells[2]]
ended = [i for i, (state, parent, _) in enumerate(states) if state == "idle" and parent == cells[1]]
check(late and ended and late[0] > ended[0], "a cell is busy when it starts, not when it arrives")
print("busy while cells run")

# A training, interrupted, asked about, trained on, interrupted again after its tracker has closed.
prepared = run("""
import { compile, createStreams, Dataset, interruptSignal, presets, SparseMoELanguageModel, Trainer } from 'makemoe'
import { openTracker } from 'makemoe/dist/runs/track/trackers'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
const config = { ...presets.corrected, batchSize: 2, blockSize: 8, nEmbed: 16, nHead: 2, nLayer: 1, numExperts: 2, steps: 1000000, evalInterval: 100000, evalIters: 1 }
const streams = createStreams(1)
const model = new SparseMoELanguageModel({ ...config, vocabSize: 5 }, streams.init)
const data = new Dataset(Int32Array.from({ length: 2000 }, (_, i) => (i * i) % 5), config.blockSize)
const trainer = new Trainer(model, data, config, streams, { compile })
const tracker = openTracker(join(mkdtempSync(join(tmpdir(), 'makemoe-')), 'run'), { config })
const onMetric = (metric) => { tracker.log(metric); if (metric.step > 0 && metric.step % 50 === 0) console.log('at', metric.step) }
""")
check(prepared.status == "ok", f"the cell that prepares a training runs: {prepared.traceback}")
training = """
trainer.listen({ onMetric, signal: interruptSignal() })
const finished = await trainer.run()
"""
result = run(training, interrupt_after=0.5)
check(result.status == "ok", f"an interrupted training ends its cell: {result.traceback}")
kernel.prints("console.log(finished, trainer.step > 0); const reached = trainer.step", "false true", "what the training declared")
check(run("await tracker.close('KILLED')").status == "ok", "the tracker closes")
result = run(training, interrupt_after=0.5)
check(result.status == "ok", f"training on after the tracker has closed: {result.traceback}")
kernel.prints("console.log(finished, trainer.step > reached)", "false true", "it went on")
print("an interrupted training keeps its cell and trains on")

# What does not listen is ended; the kernel lives, and the next cell runs.
check(run("console.log('waiting'); await new Promise(() => {})", interrupt_after=0.3).status == "error", "an interrupt ends a cell that waits")
check(run("for (;;) {}", interrupt_after=1, prints=False).status == "error", "an interrupt ends a loop")
result = run("const signal = interruptSignal(); console.log('deaf'); const end = Date.now() + 5000; while (Date.now() < end && !signal.aborted) await new Promise((done) => setTimeout(done, 10)); console.log(signal.aborted)", interrupt_after=0.1)
check(result.status == "ok" and "true" in result.printed(), f"the signal fires in a cell that asked for it: {result.printed()}")
kernel.prints("for (let i = 0; i < 30; i++) interruptSignal(); console.log(interruptSignal().aborted)", "false", "each cell has a signal of its own")
print("an interrupt ends what does not listen")
kernel.close()
