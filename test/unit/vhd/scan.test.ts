import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { parseScan } from '../../../lib/vhd/parseScan.ts'
import { scanDirectory } from '../../../lib/vhd/scan.ts'
import { VhdError, type VhdScanError, type VhdScanRow } from '../../../lib/vhd/VhdUtil.ts'
import { vhdUtil } from '../vhd-util/run.ts'
import { BLOCK, files, makeUtil, MIB, scratch } from './support.ts'

const MANY = 10_000
const PROGRAM = path.join(import.meta.dirname, '../../../bin/vhd-util')
const util = makeUtil()

/** Disks of every kind a directory holds; links make many of few. */
async function makeDirectory(count: number): Promise<string> {
  const directory = scratch()
  const [base, leaf] = [path.join(directory, 'base.vhd'), path.join(directory, 'leaf.vhd')]
  await util.create(base, 4 * BLOCK)
  await util.setKeyHash(base, 'ab'.repeat(32))
  await util.snapshot(leaf, base, { exactParent: true })
  await util.setHidden(base, true)
  const broken = path.join(directory, 'broken.vhd')
  fs.writeFileSync(broken, 'no VHD'.repeat(500))
  const templates = [base, leaf, leaf, leaf, broken]
  for (let made = 3; made < count; made++) {
    const template = templates[made % templates.length] ?? leaf
    fs.linkSync(template, path.join(directory, `${String(made).padStart(6, '0')}.vhd`))
  }
  return directory
}

function comparable(row: VhdScanRow | VhdScanError): unknown {
  return 'error' in row ? { name: row.name, code: row.error instanceof VhdError ? row.error.code : row.error } : row
}

describe('scanning many disks in process', () => {
  it(`gives the rows of vhd-util for ${MANY} disks, in bounded memory`, async () => {
    const directory = await makeDirectory(MANY)
    const before = process.memoryUsage().rss
    let peak = 0
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss)
    }, 5)
    onTestFinished(() => {
      clearInterval(watch)
    })
    const rows = await scanDirectory(files, directory)
    peak = Math.max(peak, process.memoryUsage().rss)
    expect(rows).toHaveLength(MANY)
    expect(peak - before).toBeLessThan(128 * MIB)
    const { exitCode, stdout } = await vhdUtil(['scan', '-f', '-c', '-M', '-m', `${directory}/*.vhd`])
    expect(exitCode).toBe(0)
    expect(rows.map(comparable)).toEqual(parseScan(stdout).map(comparable))
  })
})

describe('scanning many disks with the program', () => {
  let meter: string

  beforeAll(() => {
    meter = [
      "const { writeFileSync } = require('node:fs')",
      "process.on('exit', () => writeFileSync(process.env.RSS_FILE, String(process.resourceUsage().maxRSS)))",
    ].join('\n')
  })

  /** Peak resident memory of one scan in KiB, and its lines. */
  async function measure(directory: string): Promise<{ peak: number; lines: number }> {
    const notes = scratch()
    const [preload, report] = [path.join(notes, 'meter.cjs'), path.join(notes, 'rss')]
    fs.writeFileSync(preload, meter)
    const env = { ...process.env, NODE_OPTIONS: `--require ${preload}`, RSS_FILE: report }
    const run = promisify(execFile)
    const { stdout } = await run(PROGRAM, ['scan', '-f', '-c', '-m', `${directory}/*.vhd`], {
      env,
      maxBuffer: 64 * MIB,
    })
    return { peak: Number(fs.readFileSync(report, 'utf8')), lines: stdout.split('\n').length - 1 }
  }

  it('takes hardly more memory for many than for few', async () => {
    const few = await measure(await makeDirectory(5))
    const many = await measure(await makeDirectory(MANY))
    expect([few.lines, many.lines]).toEqual([5, MANY])
    expect(many.peak - few.peak).toBeLessThan(64 * 1024)
  })
})
