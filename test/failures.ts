/** A failed test is printed when it fails, and again in the last lines: its name and the difference. */
import { relative } from 'node:path'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

export class Failures implements Reporter {
  private readonly failed: string[] = []

  onTestCaseResult(test: TestCase): void {
    const { state, errors = [] } = test.result()
    if (state === 'failed') this.add(`${relative(__dirname, test.module.moduleId)} > ${test.fullName}`, errors)
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules)
      if (module.errors().length > 0) this.failed.push(describe(relative(__dirname, module.moduleId), module.errors()))
    for (const failure of this.failed) console.error(failure)
  }

  private add(name: string, errors: readonly { message: string }[]): void {
    const failure = describe(name, errors)
    this.failed.push(failure)
    console.error(failure)
  }
}

const describe = (name: string, errors: readonly { message: string }[]): string =>
  [`FAILED ${name}`, ...errors.map(({ message }) => `  ${message.split('\n').slice(0, 12).join('\n  ')}`)].join('\n')
