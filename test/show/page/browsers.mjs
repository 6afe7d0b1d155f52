// The system's Chromium and Firefox, headless, for the tests of the page.
import assert from 'node:assert'
import { execFileSync } from 'node:child_process'
import { chromium, firefox } from 'playwright-core'

function which(...names) {
  for (const name of names)
    try {
      return execFileSync('which', [name], { encoding: 'utf8' }).trim()
    } catch {} // not this one
  return undefined
}

const launchers = {
  chromium: [
    which('chromium', 'chromium-browser', 'google-chrome'),
    (executablePath) => chromium.launch({ executablePath, args: ['--no-sandbox'] }),
  ],
  // Playwright speaks WebDriver BiDi with a Firefox that is not its own.
  firefox: [
    which('firefox-esr', 'firefox'),
    (executablePath) => firefox.launch({ executablePath, channel: 'moz-firefox', firefoxUserPrefs: { 'ui.prefersReducedMotion': 1 } }),
  ],
}

/** The names that were asked for, else those that are installed. */
export function browsersOf(names) {
  const wanted = names.length > 0 ? names : Object.keys(launchers).filter((name) => launchers[name][0])
  assert(wanted.length > 0, 'neither Chromium nor Firefox is installed')
  return wanted
}

/** Starts a browser. */
export function launch(name) {
  const [path, start] = launchers[name]
  assert(path, `${name} is not installed`)
  return start(path)
}

/** Waits until a model's page has opened. */
export const opened = (page) => page.waitForFunction(() => performance.getEntriesByName('ready').length > 0)

/** Presses Step so often. */
export const step = (page, times) =>
  page.locator('#step').evaluate((button, times) => {
    for (let i = 0; i < times; i++) button.click()
  }, times)
