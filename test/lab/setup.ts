import { missingForLab } from './requirements.ts'

/** Says once why the lab's tests are skipped. In CI that is a failure. */
export default function setup(): void {
  const missing = missingForLab()
  if (missing === undefined) return
  if (process.env['CI'] === 'true') throw new Error(missing)
  process.stderr.write(`\n*** LAB TESTS ARE SKIPPED: ${missing} ***\n\n`)
}
