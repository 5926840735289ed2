import type { Browser, Page } from 'playwright-core'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { explainForToolstack } from '../../../cli/toolstack/explainRevert.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { projectRoot } from '../../support/World.ts'
import { Box } from '../toolstack/box.ts'
import { missingBrowser, openBrowser } from './browser.ts'

const missing = missingBrowser()
if (missing !== undefined) process.stderr.write(`${missing}\n`)

/** A busy machine may take its time to draw. */
const timeout = 60_000
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })
/** Folder for the pictures of the documentation, where they are to be made anew. */
const pictures = process.env['SM_PICTURES']

describe.skipIf(missing !== undefined)('the page', () => {
  let browser: Browser
  let box: Box
  let page: Page
  let complaints: string[]
  let files: string
  let fake: string

  beforeAll(async () => {
    browser = await openBrowser()
    box = await Box.open()
    // Drivers that are asked in this process work below the box, too.
    vi.stubEnv('SM_ROOT', box.root)
    files = await box.addFileSr({
      listen: { host: '127.0.0.1', port: 0, user: 'root', password: 'pass' },
      pageDirectory: path.join(projectRoot, 'dist/page'),
      explainRevert: explainForToolstack(makeSystem()),
    })
    fake = await box.makeSr('norevert')
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await browser.close()
    await box.close()
  })
  beforeEach(async () => {
    page = await browser.newPage({ viewport: { width: 1180, height: 900 } })
    page.setDefaultTimeout(timeout)
    complaints = []
    page.on('console', message => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    page.on('pageerror', error => complaints.push(error.message))
    await page.goto(`${box.toolstack.tcpUrl ?? ''}/`)
  })
  afterEach(async () => {
    await page.close()
    expect(complaints).toEqual([])
  })

  async function signIn(password = 'pass'): Promise<void> {
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }

  /** A VM with a disk that goes back in place and one that is cloned, snapshotted and written to since. */
  async function makeMachine(name: string) {
    const vm = await box.makeVm(name)
    const [first, second] = [
      await box.makeVdi(files, { name_label: `${name} system` }),
      await box.makeVdi(fake, { name_label: `${name} data` }),
    ]
    await box.addDrive(vm, first, { userdevice: '0' })
    await box.addDrive(vm, second, { userdevice: '1' })
    await box.write(second, 'before')
    const snapshot = await box.text('VM.snapshot', vm, 'before the update')
    await box.write(second, 'after')
    const image = await box.openImage(files, first)
    await image.write(0, Buffer.alloc(1024 * 1024, 'written since'))
    await image.close()
    return { vm, first, second, snapshot }
  }

  test('lets in who knows the password', async () => {
    await signIn('wrong')
    await page.getByText('User or password is wrong.').waitFor()
    expect(await page.getByRole('heading', { name: 'Virtual machines' }).isVisible()).toBe(false)
    await signIn()
    await page.getByRole('heading', { name: 'Virtual machines' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Sign in' }).waitFor()
  })

  test('draws the images of an SR, and follows what happens to them', async () => {
    const disk = await box.makeVdi(files, { name_label: 'drawn <b>disk</b>' })
    await signIn()
    const image = page.locator(`svg.tree g[data-ref="${disk}"]`)
    await image.waitFor()
    expect(await image.textContent()).toContain('drawn <b>disk</b>')
    await box.api.call('VDI.set_name_label', disk, 'renamed meanwhile')
    await page.getByText('renamed meanwhile', { exact: true }).waitFor()
    const snapshot = await box.text('VDI.snapshot', disk)
    await page.locator(`svg.tree g[data-ref="${snapshot}"][data-kind="snapshot"]`).waitFor()
    await box.api.call('VDI.destroy', snapshot)
    await page.locator(`svg.tree g[data-ref="${snapshot}"]`).waitFor({ state: 'detached' })
  })

  test('shows the plan of a revert, and does nothing before it is confirmed', async () => {
    const { vm, first, second } = await makeMachine('web server')
    await box.api.call('VM.start', vm, false, false)
    await signIn()
    await page.getByRole('button', { name: 'Revert web server to snapshot before the update' }).click()
    const plan = page.getByRole('dialog', { name: /Revert web server/ })
    await plan.getByText(/running and will be shut down/).waitFor()
    await plan
      .getByRole('row', { name: /web server system in place, keeps its identity: a new, empty image/ })
      .waitFor()
    await plan.getByRole('row', { name: /web server data by a clone.*SR_OPERATION_NOT_SUPPORTED/ }).waitFor()
    if (pictures !== undefined) await page.screenshot({ path: `${pictures}/page-plan.png`, animations: 'disabled' })
    await page.keyboard.press('Escape')
    await plan.waitFor({ state: 'hidden' })
    expect(await box.text('VM.get_power_state', vm)).toBe('Running')
    expect(await box.read(second)).toBe('after')

    await page.getByRole('button', { name: 'Revert web server to snapshot before the update' }).click()
    await plan.getByRole('button', { name: 'Revert', exact: true }).click()
    await page.getByText('Reverted web server to snapshot before the update').waitFor()
    const disks = await box.disksOf(vm)
    expect(disks['0']).toBe(first)
    expect(disks['1']).not.toBe(second)
    expect(await box.read(disks['1'] ?? '')).toBe('before')
    expect(await box.text('VM.get_power_state', vm)).toBe('Halted')
    if (pictures !== undefined) await page.screenshot({ path: `${pictures}/page.png`, animations: 'disabled' })
  })

  test('says what stands in the way, and does not offer to go on', async () => {
    const { first, snapshot } = await makeMachine('blocked')
    const other = await box.makeVm('holder')
    await box.addDrive(other, first)
    await box.api.call('VM.start', other, false, false)
    await signIn()
    await page.getByRole('button', { name: 'Revert blocked to snapshot before the update' }).click()
    const plan = page.getByRole('dialog')
    await plan.getByText(/not possible \(VDI_IN_USE/).waitFor()
    expect(await plan.getByRole('button', { name: 'Revert', exact: true }).isDisabled()).toBe(true)
    await plan.getByRole('button', { name: 'Cancel' }).click()
    await box.api.call('VM.destroy', snapshot)
  })

  test('reverts a single disk', async () => {
    const disk = await box.makeVdi(files, { name_label: 'single' })
    await box.text('VDI.snapshot', disk)
    await box.api.call('VDI.resize', disk, '8388608')
    await signIn()
    await page.getByRole('button', { name: 'Revert disk single to snapshot single' }).click()
    const plan = page.getByRole('dialog')
    await plan.getByRole('row', { name: /single in place, .* 4 MiB/ }).waitFor()
    await plan.getByRole('button', { name: 'Revert', exact: true }).click()
    await plan.waitFor({ state: 'hidden' })
    expect(await box.api.call('VDI.get_virtual_size', disk)).toBe(4194304)
  })

  test('names every control, and has one heading for each part', async () => {
    await signIn()
    await page.getByRole('heading', { name: 'Storage repositories' }).waitFor()
    const buttons = await page.getByRole('button').all()
    for (const button of buttons)
      expect((await button.getAttribute('aria-label')) ?? (await button.textContent())).not.toBe('')
    for (const drawing of await page.locator('svg.tree').all()) {
      expect(await drawing.locator('title').textContent()).toMatch(/\d+ disks, \d+ snapshots, \d+ base copies/)
    }
    expect(await page.locator('html').getAttribute('lang')).toBe('en')
  })
})
