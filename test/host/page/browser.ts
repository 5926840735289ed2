import { chromium, type Browser } from 'playwright-core'
import { browserPackages, missingPackages } from '../../../scripts/lab-packages.mjs'

/** Why there is no browser to test with, or undefined. In CI that is a failure. */
export function missingBrowser(): string | undefined {
  const packages = missingPackages(browserPackages)
  if (packages.length === 0) return undefined
  const reason = `SKIPPED, the page is not tested: Debian packages ${packages.join(', ')} are not installed`
  if (process.env['CI'] === 'true') throw new Error(reason)
  return reason
}

/** A browser that talks to nobody but the page's server. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
  })
}
