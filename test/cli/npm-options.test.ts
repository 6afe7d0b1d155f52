import { Command } from 'commander'
import fc from 'fast-check'
import { requireNothingKept } from 'makemoe/dist/cli/npm-options'
import { register as start } from 'makemoe/dist/cli/start'
import { register as train } from 'makemoe/dist/cli/train'
import { describe, expect, test } from 'vitest'

const program = new Command()
train(program)
start(program)
const [trainCommand, startCommand] = program.commands as [Command, Command]
const check = (env: Record<string, string>, args: string[] = [], command = trainCommand) => {
  requireNothingKept(command, args, { npm_lifecycle_event: command.name(), ...env })
}

describe('options that npm kept are refused, with what to type', () => {
  test.each([
    [{ npm_config_steps: '3' }, [], 'npm run train -- --steps 3'],
    [{ npm_config_steps: 'true' }, ['3'], 'npm run train -- --steps 3'],
    [{ npm_config_eval_iters: '5', npm_config_eager: 'true' }, [], 'npm run train -- --eager --eval-iters 5'],
    [{ npm_config_text: 'my text.txt' }, ['--steps', '2'], "npm run train -- --text 'my text.txt' --steps 2"],
  ])('%j %j', (env, args, typed) => expect(() => check(env as Record<string, string>, args)).toThrow(`type: ${typed}`))
  test('any option of the command', () => {
    const options = trainCommand.options.filter(({ long }) => long !== '--help')
    fc.assert(
      fc.property(fc.constantFrom(...options), (option) => {
        const name = `npm_config_${option.name().replaceAll('-', '_')}`
        expect(() => check({ [name]: option.required ? '7' : 'true' })).toThrow(`npm kept ${option.long} for itself`)
      }),
    )
  })
  test('--no-browser', () => {
    expect(() => check({ npm_config_browser: '' }, [], startCommand)).toThrow('type: npm run start -- --no-browser')
  })
})

test("npm's own settings, and those of other scripts, are none of ours", () => {
  const own = {
    npm_config_registry: 'https://example.org',
    npm_config_loglevel: 'error',
    npm_config_user_agent: 'npm',
    npm_config_cache: '/tmp',
  }
  expect(() => check(own)).not.toThrow()
  expect(() => check({ npm_config_browser: 'firefox' }, [], startCommand)).not.toThrow()
  expect(() => check({ npm_config_steps: '3', npm_lifecycle_event: 'test' })).not.toThrow()
})
