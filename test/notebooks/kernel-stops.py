"""What ends and what does not: much output, output after the cell's end, an interrupt of a loop that awaits, and the kernel of a Jupyter that
was killed. Exit status 1 at the first thing that does not hold.
"""
import os
import re
import signal
import subprocess
import sys
import time

from kernel_client import Kernel, root

kernel = Kernel()
check, run = kernel.check, kernel.run

# Nothing that is printed is lost, and the cell ends.
lines = run("for (let i = 0; i < 20000; i++) console.log('line', i)").printed("stdout").splitlines()
check(lines == [f"line {i}" for i in range(20000)], f"20,000 lines: {len(lines)}")
mixed = run("for (let i = 0; i < 3000; i++) { if (i % 3) console.log(i); else console.error(i); if (i % 100 === 0) await null }").printed()
check(mixed.split() == [str(i) for i in range(3000)], "both streams, in order")
for code, shown, more in [("console.log('x'.repeat(50_000_000))", 10_000_000, "40,000,001 more characters (1 line ends)"), ("for (let i = 0; i < 60; i++) console.error('y'.repeat(199_999))", 10_000_000, "2,000,000 more characters (10 line ends)")]:
    result = run(code)
    text, rest = result.printed()[:shown], result.printed()[shown:]
    check(result.status == "ok" and more in rest and len(rest) < 200 and set(text) <= set("xy\n"), f"{code}: {rest[:200]!r}")
kernel.prints("process.stdout.write(Buffer.from([0xe2, 0x82])); process.stdout.write(new Uint8Array([0xac])); process.stdout.write('6869', 'hex'); await new Promise<void>((done) => { process.stdout.write('!', () => done()) })", "€hi!")
check("\ufffd" in run("process.stdout.write(Buffer.from([0xff, 0xfe, 0x41])); console.log()").printed(), "bytes that are no text")
kernel.prints("const pending = Promise.resolve({ a: [1] }); console.log(pending)", "Promise { { a: [ 1 ] } }")

# What a timer prints after its cell has ended belongs to that cell, while another one runs.
request = kernel.client.execute("setTimeout(() => { console.log('late'); console.error('too') }, 300)\nconsole.log('early')")
kernel.messages_until_idle([request])
other = kernel.client.execute("await new Promise((done) => setTimeout(done, 700)); console.log('other')")
texts = [(message["content"]["text"], message["parent_header"]["msg_id"]) for message in kernel.messages_until_idle([other]) if message["msg_type"] == "stream"]
check(texts == [("late\n", request), ("too\n", request), ("other\n", other)], f"late output: {texts}")
print("output")

# An interrupt ends what a cell does, also behind its end; what it declared stays.
wait = "await new Promise((done) => setTimeout(done, 10))"
loops = [
    f"for (;;) {{ {wait}; n++ }}",
    f"while (true) {{ n++; {wait} }}",
    f"do {{ n++; {wait} }} while (true)",
    f"for (;;) {{ try {{ {wait}; n++ }} catch {{ }} }}",
    f"for (;;) {{ try {{ {wait}; n++ }} catch {{ continue }} finally {{ n++ }} }}",
    "for await (const x of (async function* () { for (;;) yield 1 })()) { n++; if (n % 50 === 0) await new Promise((done) => setImmediate(done)) }",
    f"async function inner() {{ for (;;) {{ n++; {wait} }} }}; await inner()",
    f"await Promise.all([1, 2].map(async () => {{ for (;;) {{ n++; {wait} }} }}))",
    "async function again() { n++; await new Promise((done) => setTimeout(done, 5)); await again() }; await again()",
    "setInterval(() => n++, 5); await new Promise(() => {})",
    "setInterval(() => { n++ }, 5); await new Promise(() => {})",
    "function tick() { n++; setTimeout(tick, 5) }; tick(); await new Promise(() => {})",
    "const go = () => void Promise.resolve().then(() => { n++; setImmediate(go) }); go(); await new Promise(() => {})",
    # Without a pause in which Node would call a listener of the signal.
    "await null; for (;;) n++",
    f"{wait}; do {{ n++ }} while (true)",
    f"{wait}; while (true) try {{ for (;;) n++ }} catch {{ }}",
    "const count = () => { while (true) n++ }; await null; count()",
    "setImmediate(() => { for (const one = [1]; one.length > 0;) n++ }); await new Promise(() => {})",
]
for i, loop in enumerate(loops):
    result = run(f"let n = 0; console.log('go'); {loop}", interrupt_after=0.2)
    check(result.status == "error" and result.error["ename"] == "Interrupted", f"{loop}: {result.reply}")
    time.sleep(0.1)
    kernel.prints("const then = n; await new Promise((done) => setTimeout(done, 150)); console.log(then > 0, n === then)", "true true", f"{loop} has ended")
result = run("const forever = require('node:timers/promises').setInterval(10)\nconsole.log('go')\nawait require('node:stream/promises').finished(require('node:stream').Readable.from(forever).resume())", interrupt_after=0.2)
check("interruptSignal()" in result.traceback and "restart" in result.traceback, f"what goes on is said, and the remedy: {result.traceback}")
kernel.prints("async function helper() { await null; return 3 }; console.log(await helper())", "3", "functions run after an interrupt")
kernel.run("import { interruptSignal } from 'makemoe'")
result = run("const signal = interruptSignal(); await null; let turns = 0; console.log('go'); while (!signal.aborted) turns++; console.log('stops by itself')", interrupt_after=0.2)
check((result.status, result.printed()) == ("ok", "go\nstops by itself\n"), f"a loop without a pause sees the signal: {result.reply}, {result.printed()}")
for _ in range(20):
    kernel.manager.interrupt_kernel()
kernel.prints("await null; let sum = 0; for (let i = 0; i < 10; i++) sum += i; console.log(sum)", "45", "many interrupts between two cells")
kernel.prints("console.log(await tick2())\nasync function tick2() { return n >= 0 }", "true")
print("an interrupt stops loops that await")

# A training cell run again and again: the models that no variable holds any more are freed.
kernel.prints("import { compile, createStreams, Dataset, presets, SparseMoELanguageModel, tf, Trainer } from 'makemoe'\nconst data = new Dataset(Int32Array.from({ length: 20000 }, (_, i) => (i * i) % 5), 8)\nconst config = { ...presets.corrected, batchSize: 2, blockSize: 8, nEmbed: 256, nHead: 2, nLayer: 1, numExperts: 8, steps: 2, evalInterval: 2, evalIters: 1 }", "")
training = """
const streams = createStreams(1)
const model = new SparseMoELanguageModel({ ...config, vocabSize: 5 }, streams.init)
const trainer = new Trainer(model, data, config, streams, { compile })
await trainer.run()
console.log(process.memoryUsage().rss / 1e6, tf.memory().numBytes / 1e6)
"""
sizes = [[float(size) for size in run(training, timeout=120).printed().split()] for _ in range(8)]
model = sizes[0][1]
check(sizes[7][0] - sizes[2][0] < 4 * model, f"memory of eight trainings, MB of the process and of tensors: {sizes}")
# The process may grow a little before anything is collected. After a cell that lets it grow by more, one model is left, which variables hold.
kernel.prints("const ballast = Buffer.alloc(100e6, 1)", "")
left = float(run("console.log(tf.memory().numBytes / 1e6)").printed())
check(left < 1.5 * model, f"{left} MB of tensors are left, a model has {model}")
print("a training cell run eight times")
kernel.close()

# The kernel ends with its Jupyter: idle, busy in a loop, busy in TensorFlow.
starter = """
import sys
sys.path.insert(0, sys.argv[1])
from kernel_client import Kernel
kernel = Kernel()
print(kernel.run("console.log(process.pid)").printed(), flush=True)
if sys.argv[2]: kernel.client.execute(sys.argv[2])
import time; time.sleep(100)
"""
busy = ["", "for (;;) {}", "import { tf } from 'makemoe'\nconst m = tf.ones([1500, 1500])\nfor (;;) tf.tidy(() => tf.matMul(m, m).dataSync())"]
for code in busy:
    jupyter = subprocess.Popen([sys.executable, "-c", starter, str(root / "test/notebooks"), code], stdout=subprocess.PIPE, text=True)
    kernel_pid = int(jupyter.stdout.readline())
    time.sleep(1)
    os.kill(jupyter.pid, signal.SIGKILL)
    jupyter.wait()
    end = time.time() + 3
    while time.time() < end and os.path.exists(f"/proc/{kernel_pid}") and not re.search(r"State:\s+Z", open(f"/proc/{kernel_pid}/status").read()):
        time.sleep(0.05)
    alive = os.path.exists(f"/proc/{kernel_pid}") and not re.search(r"State:\s+Z", open(f"/proc/{kernel_pid}/status").read())
    if alive:
        os.kill(kernel_pid, signal.SIGKILL)
        sys.exit(f"does not hold: the kernel ends within 3 s of its Jupyter, busy with {code!r}")
print("the kernel ends with its Jupyter")
