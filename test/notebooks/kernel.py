# Run by .ci/run.
"""The kernel as Jupyter sees it: busy from a cell's start to its end; an interrupted training ends its cell, keeps what the cell declares, and
trains on; an interrupt still ends what does not listen. Exit status 1 at the first thing that does not hold.
"""
import os
import sys
import time
from pathlib import Path
from queue import Empty

from jupyter_client import KernelManager

root = Path(__file__).resolve().parents[2]
manager = KernelManager(kernel_name="tslab")
manager.kernel_spec_manager.kernel_dirs = [str(root / ".venv/share/jupyter/kernels")]
manager.start_kernel(cwd=str(root / "notebooks"), env={"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin"})
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)


def check(holds, what):
    if not holds:
        manager.shutdown_kernel(now=True)
        sys.exit(f"does not hold: {what}")


def messages_until_idle(ids, timeout=40):
    """The published messages until each of these requests is idle."""
    waiting, seen, end = set(ids), [], time.time() + timeout
    while waiting:
        try:
            message = client.get_iopub_msg(timeout=max(0.1, end - time.time()))
        except Empty:
            check(False, f"an end of {len(waiting)} requests within {timeout} s; seen: {[m['content'] for m in seen][-5:]}")
        seen.append(message)
        if message["content"].get("execution_state") == "idle":
            waiting.discard(message["parent_header"].get("msg_id"))
    return seen


def printed(messages):
    return "".join(message["content"].get("text", "") for message in messages)


def run(code, interrupt_after=None, prints=True):
    """Runs a cell, interrupts it some seconds after it printed its first line (if it prints); what it printed, and its status."""
    request = client.execute(code)
    messages = []
    if interrupt_after is not None:
        while prints and not printed(messages).strip():
            messages.append(client.get_iopub_msg(timeout=60))
        time.sleep(interrupt_after)
        manager.interrupt_kernel()
    messages += messages_until_idle([request])
    while (reply := client.get_shell_msg(timeout=10))["parent_header"]["msg_id"] != request:
        pass
    return printed(messages), reply["content"]["status"]


# Three cells at once, and a completion while the second runs.
cells = [client.execute("await new Promise((done) => setTimeout(done, 600))") for _ in range(3)]
time.sleep(0.9)
completion = client.complete("Mat", 3)
states = [
    (message["content"]["execution_state"], message["parent_header"]["msg_id"], time.time())
    for message in messages_until_idle([*cells, completion])
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
text, status = run("""
import { compile, createStreams, Dataset, interruptSignal, presets, SparseMoELanguageModel, Trainer } from 'makemoe'
import { openTracker } from 'makemoe/dist/runs/track/trackers'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
const config = { ...presets.default, batchSize: 2, blockSize: 8, nEmbed: 16, nHead: 2, nLayer: 1, numExperts: 2, steps: 1000000, evalInterval: 100000, evalIters: 1 }
const streams = createStreams(1)
const model = new SparseMoELanguageModel({ ...config, vocabSize: 5 }, streams.init)
const data = new Dataset(Int32Array.from({ length: 2000 }, (_, i) => (i * i) % 5), config.blockSize)
const trainer = new Trainer(model, data, config, streams, { compile: compile })
const tracker = openTracker(join(mkdtempSync(join(tmpdir(), 'makemoe-')), 'run'), { config: config })
const onMetric = (metric) => { tracker.log(metric); if (metric.step % 50 === 0) console.log('at', metric.step) }
""")
check(status == "ok", f"the cell that prepares a training runs: {text}")
training = """
trainer.listen({ onMetric: onMetric, signal: interruptSignal() })
const finished = await trainer.run()
"""
text, status = run(training, interrupt_after=0.5)
check(status == "ok", f"an interrupted training ends its cell: {text}")
text, status = run("console.log(finished, trainer.step > 0); const reached = trainer.step")
check((text.strip(), status) == ("false true", "ok"), f"the next cell finds what the training declared: {text}")
text, status = run("await tracker.close('KILLED')")
check(status == "ok", f"the tracker closes: {text}")
text, status = run(training, interrupt_after=0.5)
check(status == "ok", f"training on after the tracker has closed: {text}")
text, status = run("console.log(finished, trainer.step > reached)")
check((text.strip(), status) == ("false true", "ok"), f"it went on: {text}")
print("an interrupted training keeps its cell and trains on")

# What does not listen is ended; the kernel lives.
text, status = run("console.log('waiting'); await new Promise(() => {})", interrupt_after=0.3)
check(status == "error", "an interrupt ends a cell that waits")
time.sleep(0.5)  # for 0.2 s after an error tslab refuses cells
text, status = run("for (;;) {}", interrupt_after=1, prints=False)
check(status == "error", "an interrupt ends a loop")
time.sleep(0.5)
text, status = run("const signal = interruptSignal(); console.log('deaf'); const end = Date.now() + 400; while (Date.now() < end) await new Promise((done) => setTimeout(done, 10)); console.log(signal.aborted)", interrupt_after=0.1)
check(status == "ok" and "true" in text, f"the signal fires in a cell that asked for it: {text}")
text, status = run("for (let i = 0; i < 30; i++) interruptSignal(); console.log(interruptSignal().aborted)")
check((text.strip(), status) == ("false", "ok"), f"each cell has a signal of its own, asked for as often as it likes: {text}")
print("an interrupt ends what does not listen")
client.stop_channels()
manager.shutdown_kernel()
