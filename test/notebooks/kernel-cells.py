"""What cells may hold and what they leave behind: what a failing cell keeps, TypeScript that tslab alone does not take, errors by cell and
line, cells after an error, doc comments. Drawn cells come from a fixed seed. Exit status 1 at the first thing that does not hold.
"""
import random
import re
import tempfile
import time
from pathlib import Path

from kernel_client import Kernel, root

draw = random.Random(24)
kernel = Kernel()

# Every way to declare a name, its value by the number in it, and how the value is read again.
declarations = {
    "const": ("const {name} = {{ v: {value} }}", "{name}.v"),
    "let": ("let {name} = {value}", "{name}"),
    "var": ("var {name} = '{value}'", "Number({name})"),
    "object": ("const {{ a: {name}, ...{name}Rest }} = {{ a: {value}, b: 1 }}", "{name} + 0 * {name}Rest.b"),
    "array": ("const [{name}, [{name}In]] = [{value}, [2]]", "{name} + 0 * {name}In"),
    "default": ("const {{ {name} = {value} }}: {{ {name}?: number }} = {{}}", "{name}"),
    "function": ("function {name}() {{ return {value} }}", "{name}()"),
    "async function": ("async function {name}() {{ return {value} }}", "await {name}()"),
    "class": ("class {name} {{ static v = {value}; w = {value} }}", "new {name}().w"),
    "enum": ("enum {name} {{ A = {value} }}", "{name}.A"),
    "arrow": ("const {name} = (): number => {value}", "{name}()"),
    "namespace": ("namespace {name} {{ export const v = {value} }}", "{name}.v"),
}
hoisted = ("function", "async function")  # a function is declared before its cell begins
imports = [
    ("import {{ join as {name} }} from 'node:path'", "{name}('a', 'b')", "a/b"),
    ("import * as {name} from 'node:path'", "{name}.basename('/a/b')", "b"),
    ("import {name} from 'node:path'", "{name}.extname('a.c')", ".c"),
]

for case in range(12):
    kinds = draw.sample(sorted(declarations), 5)
    names = [f"kept{case}x{i}" for i in range(len(kinds))]
    fill = lambda kind, part, name, value=None: declarations[kind][part].format(name=name, value=value)
    olds, news = ([draw.randrange(1, 1000) for _ in kinds] for _ in range(2))
    code, read, printed = draw.choice(imports)
    imported = f"imported{case}"
    kernel.prints("\n".join(fill(kind, 0, name, old) for kind, name, old in zip(kinds, names, olds)) + f"\nconst again{case} = 'before'", "")
    at = draw.randrange(len(kinds) + 1)
    lines = [fill(draw.choice([kind for kind in declarations if kind not in hoisted]), 0, name, new) for name, new in zip(names, news)]
    reads = {}
    for i, (kind, name) in enumerate(zip(kinds, names)):
        same = kind in hoisted  # a function of the same name would be hoisted above the error
        lines[i] = fill("let" if same else kind, 0, name, news[i])
        reads[name] = fill("let" if same and i < at else kind, 1, name)
    lines.insert(at, draw.choice(["throw new Error('on purpose')", "await Promise.reject(new Error('on purpose'))", "JSON.parse('on purpose')"]))
    kernel.fails("\n".join([code.format(name=imported), *lines, f"const again{case} = 'after'"]), f", line {at + 2}", "on purpose")
    values = [str(new if i < at else old) for i, (old, new) in enumerate(zip(olds, news))]
    wanted = " ".join([*values, printed, "before"])
    asked = ", ".join([*reads.values(), read.format(name=imported), f"again{case}"])
    kernel.prints(f"console.log([{asked}].join(' '))", wanted, f"after a cell of {kinds} that failed at {at}")
kernel.fails("import { nothing } from './no-such-file'\nconst again0 = 1", "cell [", "line 1")
kernel.prints("console.log(again0)", "before", "after a cell that does not compile")
kernel.prints("let counted = 5", "")
kernel.fails("counted += 2\nthrow new Error('x')", "line 2")
kernel.prints("console.log(counted)", "7", "what a failing cell assigned to a variable of another cell stays")
kernel.prints("const counted: number | undefined = undefined; let empty: number", "")
kernel.prints("console.log(counted, empty)", "undefined undefined", "a new declaration without a value replaces the old value")
print("a failing cell keeps what was there, and what it had declared")

# Shorthand properties and destructuring with names of other cells.
kernel.prints("interface Sizes { width: number; height: number }\nconst width = 3, height = 4\nlet steps = 5\nfunction area() { return width * height }\nclass Box { n = 1 }\nconst sizes: Sizes = { width: 30, height: 40 }\nconst log = (o: unknown) => console.log(JSON.stringify(o))\nconst later = Promise.resolve(1)", "")
forms = {
    "log({ width })": '{"width":3}',
    "log({ width, height })": '{"width":3,"height":4}',
    "log({ a: 1, width, ...{ height } })": '{"a":1,"width":3,"height":4}',
    "log([{ steps }, { a: { steps } }])": '[{"steps":5},{"a":{"steps":5}}]',
    "const f1 = () => ({ width }); log(f1())": '{"width":3}',
    "const f2 = ({ width }: Sizes) => ({ width }); log(f2(sizes))": '{"width":30}',
    "class P1 { get() { return { width, steps } } }; log(new P1().get())": '{"width":3,"steps":5}',
    "const made = { area }; log(made.area())": "12",
    "const boxes = { Box }; log(new boxes.Box())": '{"n":1}',
    "log({ width: height })": '{"width":4}',
    "log({\n  // a comment\n  width, /* another */ height,\n})": '{"width":3,"height":4}',
    "const { width: w1, height: h1 } = sizes; log([w1, h1])": "[30,40]",
    "const { width: w2 = 1, ...rest2 } = sizes; log([w2, rest2])": '[30,{"height":40}]',
    "let w3: number; let h3: number; ({ width: w3, height: h3 } = sizes); log([w3, h3])": "[30,40]",
    "for (const { width: w4 } of [sizes]) log(w4)": "30",
    "let w5: number; [{ width: w5 }] = [sizes]; log(w5)": "30",
    "const g1 = ({ width: w6 }: Sizes) => w6; log(g1(sizes))": "30",
    "({ steps } = { steps: 6 }); log(steps)": "6",
    "({ steps = 8 } = {} as { steps?: number }); log(steps)": "8",
    "log(((steps) => ({ steps }))(9))": '{"steps":9}',
    "log(`${JSON.stringify({ width })}`)": '"{\\"width\\":3}"',
    "label: for (const steps of [1, 2]) { if (steps > 1) break label; log({ steps }) }": '{"steps":1}',
    "log({ 'width': width, ['height']: height, steps() { return { width } } }.steps())": '{"width":3}',
    # await, in every form
    "log(await (later))": "1",
    "log((await [later]).length)": "1",
    "log(await `x`)": '"x"',
    "log(await -1)": "-1",
    "log(await +'3')": "3",
    "log(await { later }.later)": "1",
    "log(await (async () => 7)())": "7",
    "log(await /a/.exec('a'))": '["a"]',
    "await\n(later); log(2)": "2",
    "for await (const x of [later, later]) log(x)": "1\n1",
    "for await (const { width: w7 } of [later.then(() => sizes)]) log(w7)": "30",
    "const [r1, r2] = await (Promise.all([later, 2])); log([r1, r2])": "[1,2]",
    "if (await (later)) { log(await (later.then((x) => x + 1))) }": "2",
    "const t1 = `${await (later)}`; log(t1)": '"1"',
    "log(await (await (later)))": "1",
    "class K2 { static async of() { return await (later) } }; log(await (K2.of()))": "1",
    "try { await (Promise.reject(new Error('no'))) } catch (error) { log(error.message) }": '"no"',
    "log([1, await (later), ...await [2]])": "[1,1,2]",
    "log(await (later) ?? 3)": "1",
    "await (later)": "1",
    # export, import
    "export const e1 = 1; log(e1)": "1",
    "export class E2 { v = 2 }\nlog(new E2())": '{"v":2}',
    "export function e3() { return 3 }\nlog(e3())": "3",
    "export async function e4() { return 4 }\nlog(await (e4()))": "4",
    "export abstract class E5 { static v = 5 }\nlog(E5.v)": "5",
    "export enum E6 { A = 6 }\nlog(E6.A)": "6",
    "export type E7 = number\nexport interface E8 { a: E7 }\nconst e8: E8 = { a: 8 }; log(e8)": '{"a":8}',
    "export default function e9() { return 9 }\nlog(e9())": "9",
    "export default class E10 {}\nlog(E10.name)": '"E10"',
    "export default [10]": "[ 10 ]",
    "export default () => 11": "[Function (anonymous)]",
    "const e12 = 12\nexport { e12, e12 as e12b }\nlog([e12, e12b])": "[12,12]",
    "export { join as e13 } from 'node:path'\nlog(e13('a', 'b'))": '"a/b"',
    "export * as e14 from 'node:path'\nlog(e14.join('a', 'b'))": '"a/b"',
    "export let e15: number, e16 = 16\nlog([e16])": "[16]",
    "export const { width: e17 } = sizes\nlog(e17)": "30",
    "export declare const e18: number\nlog(18)": "18",
    "const fs = await import('node:fs')\nlog(typeof fs.readFileSync)": '"function"',
    "const path1 = await (import('node:path'))\nlog(path1.join('a', 'b'))": '"a/b"',
    "const { readFileSync } = await import('node:fs')\nlog(typeof readFileSync)": '"function"',
    "let os1 = (await import('node:os')).EOL\nlog(os1)": '"\\n"',
    "log(typeof (await import('makemoe')).crossEntropy)": '"function"',
    "import { MakemoeError } from '../lib/base/errors'\nimport * as whole from 'makemoe'\nlog(new whole.ConfigError('x') instanceof MakemoeError)": "true",
    "import { ConfigError } from '../lib/index'\nimport { ConfigError as same } from '../lib'\nlog(same === ConfigError)": "true",
    "const errors1 = await import('../lib/base/errors.ts')\nlog(errors1.ConfigError === ConfigError)": "true",
    "export { ShapeError } from '../lib/base/errors'\nlog(ShapeError.name)": '"ShapeError"',
    "let t2: import('../lib/base/errors').ConfigError | undefined\nlog(t2 === undefined)": "true",
}
for code, expected in forms.items():
    kernel.prints(code, expected)
kernel.prints("log([fs.existsSync('.'), path1.sep, e1, e12b, e3(), w3, r1])", '[true,"/",1,12,3,30,1]', "names of those cells in another cell")
kernel.fails("const fine = { width }\n\nconst wrong: string = { width, height }.width + 1", "line 3: Type 'number'", "\n    const wrong")
print(f"{len(forms)} forms of TypeScript")

# A person's own files, in the notebook's folder and beside it; changed while the kernel runs.
with tempfile.TemporaryDirectory() as folder:
    here = Path(folder, "notebooks")
    here.mkdir()
    Path(folder, "node_modules").symlink_to(root / "node_modules")
    Path(folder, "sizes.ts").write_text("export interface Size { n: number }\nexport const size: Size = { n: 7 }\n\nexport function bad(): never {\n  throw new Error('here')\n}\n")
    Path(here, "mine.ts").write_text("import { type Size, size } from '../sizes'\nimport * as tf from '@tensorflow/tfjs-core'\nexport const twice = (s: Size): number => s.n * 2\nexport const own = tf\nexport { size }\n")
    own = Kernel(here)
    own.prints("import { own, size, twice } from './mine'\nimport { bad, size as same } from '../sizes'\nimport { tf } from 'makemoe'\nconsole.log(twice(size), same === size, own === tf)", "14 true true")
    traceback = own.fails("\nbad()", "Error: here", "sizes.ts:5:", "line 2")
    own.fails("twice('x')", "line 1: Argument of type 'string'")
    time.sleep(0.05)
    Path(folder, "sizes.ts").write_text("export interface Size { n: number }\nexport const size: Size = { n: 8 }\n")
    own.prints("import { size, twice } from './mine'\nconsole.log(twice(size))", "16", "a changed file is read again")
    own.prints("import * as a from '@tensorflow/tfjs'\nimport * as b from '@tensorflow/tfjs-node-gpu'\nimport { tensor1d } from '@tensorflow/tfjs-node'\nimport '@tensorflow/tfjs-core'\nconsole.log(a === tf as unknown, b === a, require('@tensorflow/tfjs-core') === tf, tensor1d([1, 2]).shape)", "true true true [ 2 ]")
    own.prints("const g = a.grad((x) => a.matMul(x as a.Tensor2D, b.ones([2, 1])).sum())(a.ones([1, 2]))\nconsole.log(g.arraySync())", "[ [ 1, 1 ] ]", "gradients through any copy")
    own.close()
print("a person's files, and one copy of tfjs")

# An error names the cell and the line, whatever TypeScript drops before it.
fillers = ["interface F{n} {{\n  a: number\n}}", "type G{n} = {{\n  b: string\n}}", "// words", "", "/* two\nlines */", "declare const h{n}: number", "const i{n}: Array<\n  number\n> = [1]", "function j{n}(\n  a: number,\n): void {{}}", "const k{n} = {{ width }}"]
errors = ["throw new RangeError('drawn')", "(undefined as any).drawn()", "await Promise.reject(new Error('drawn'))", "[1].map((x) => { throw new Error('drawn') })", "JSON.parse('drawn')", "new (class { constructor() { throw new Error('drawn') } })()", "for await (const x of (async function* () { throw new Error('drawn') })()) {}"]
for case in range(20):
    before = "\n".join(filler.format(n=f"{case}q{i}") for i, filler in enumerate(draw.choices(fillers, k=draw.randrange(1, 8))))
    error, line = draw.choice(errors), before.count("\n") + 2
    traceback = kernel.fails(f"{before}\n{error}", "drawn", error)
    first = traceback.split("\n")[0]
    kernel.check(re.match(rf"cell \[\d+\], line {line}\b", first), f"line {line} first in {traceback}\nof\n{before}\n{error}")
    kernel.check("evalmachine" not in traceback and "node:internal" not in traceback and len(traceback.split("\n")) < 6, f"no machinery in {traceback}")
kernel.prints("interface Z1 { a: number }\n\nfunction thrower(x: any) {\n  return x.a.b\n}", "")
number = kernel.run("1").reply["execution_count"] - 1
traceback = kernel.fails("\n\nthrower({})", f"cell [{number}], line 4, in thrower: TypeError", "return x.a.b", f"cell [{number + 2}], line 3")
kernel.fails("throw new Error('outer', { cause: new TypeError('inner') })", "outer", "caused by", "TypeError: inner")
kernel.fails("throw 'a text'", "threw 'a text'")
kernel.fails("throw undefined", "threw undefined")
result = kernel.run("throw new RangeError('as a message')")
kernel.check((result.error["ename"], result.error["evalue"]) == ("RangeError", "as a message") and result.printed() == "", "an error message, and no text")
kernel.check(result.reply["ename"] == "RangeError" and result.reply["traceback"] == result.error["traceback"], "the reply says it too")
kernel.fails("import { tf } from 'makemoe'\n\ntf.matMul(tf.ones([2, 3]), tf.ones([2, 3]))", "line 3", "TensorflowError", "tf.matMul(")
result = kernel.run("setTimeout(() => { throw new Error('behind') }, 20); await new Promise((done) => setTimeout(done, 200))")
kernel.check(result.status == "ok" and "line 1: Error: behind" in result.printed("stderr"), f"an error that no cell waits for: {result.printed()}")
print("errors name cell and line")

# Cells sent with one that fails.
client = kernel.client
for allowed, statuses, texts in [(True, ["error", "ok", "error", "ok"], ["2\n", "4\n"]), (False, ["error", "aborted", "aborted", "aborted"], [])]:
    cells = ["const slow = Date.now() + 300; while (Date.now() < slow); throw new Error('1')", "console.log(2)", "const n: number = ''", "console.log(4)"]
    requests = [client.execute(cell, stop_on_error=not allowed) for cell in cells]
    messages = kernel.messages_until_idle(requests)
    kernel.check([kernel.reply_to(request)["status"] for request in requests] == statuses, f"replies with errors allowed: {allowed}")
    kernel.check([message["content"]["text"] for message in messages if message["msg_type"] == "stream"] == texts, "what was printed")
    kernel.prints("console.log('at once')", "at once", "a cell right after an error")
print("cells after an error")

# What Shift-Tab and Tab show.
kernel.run("import { Linear, crossEntropy, tf } from 'makemoe'\n/** Three times it.\n * @param n a number\n * @returns the triple\n * @throws never */\nfunction tripled(n: number) { return n * 3 }")
for code, parts in {
    "new Linear(": ["new Linear(fanIn: number, fanOut: number", "An affine map"],
    "const l = new Linear(3, ": ["new Linear(fanIn: number"],
    "Linear": ["class Linear", "An affine map"],
    "crossEntropy": ["function crossEntropy(", "Mean cross-entropy", "@param logits", "@throws ShapeError"],
    "crossEntropy(": ["crossEntropy(logits: "],
    "tripled": ["Three times it.", "@param n a number", "@returns the triple", "@throws never"],
    "console.log(tripled(": ["function tripled(n: number): number"],
    "tf.matMul(": ["matMul", "@param transposeA"],
}.items():
    shown = kernel.inspect(code)
    kernel.check(all(part in shown for part in parts), f"{code} shows {parts}: {shown}")
names = kernel.complete("tf.")
kernel.check(len(names) > 300 and len(names) == len(set(names)), f"each op once: {len(names)} names, {len(set(names))} different")
kernel.check("tripled" in kernel.complete("'🙂'; trip"), "completion behind an emoji")
print("doc comments and completion")
kernel.close()
