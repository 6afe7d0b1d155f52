// Screenshots of a model's page in both themes, beside another text, and on a phone: node test/show/page/pictures.mjs model.html FOLDER [chromium] [firefox]
// Run by hand.
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { browsersOf, launch, opened, step } from './browsers.mjs'

const [file, folder, ...names] = process.argv.slice(2)
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }
const pictures = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  two: { colorScheme: 'light' },
  phone,
  'phone-dark': { ...phone, colorScheme: 'dark' },
}

for (const name of browsersOf(names)) {
  const browser = await launch(name)
  mkdirSync(join(folder, name), { recursive: true })
  for (const [picture, options] of Object.entries(pictures)) {
    const page = await browser.newPage({ viewport: { width: 1200, height: 830 }, reducedMotion: 'reduce', ...options })
    await page.goto(pathToFileURL(resolve(file)).href)
    await opened(page)
    if (picture === 'two') await page.locator('#compare').check()
    await step(page, picture === 'two' ? 280 : 420)
    await page.locator('#grid tbody tr').nth(3).locator('td button').nth(2).click()
    await page.waitForFunction(() => /with all experts/.test(document.getElementById('effect').textContent))
    await page.screenshot({ path: join(folder, name, `${picture}.png`), fullPage: picture.startsWith('phone') })
    await page.close()
  }
  await browser.close()
}
