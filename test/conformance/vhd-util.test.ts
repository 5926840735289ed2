import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openImage } from '../../lib/vhd/openImage.ts'
import { makeSystem } from '../../lib/os/system.ts'
import { type Outcome, type RunOptions, vhdUtil } from '../unit/vhd-util/run.ts'
import {
  type GoldenCase,
  goldenCases,
  type GoldenCommand,
  goldenFile,
  type GoldenOp,
  guestPattern,
  scratch,
  sha256OfFile,
  unpack,
} from './vhdGolden.ts'

const BLOCK = 2 * 1024 * 1024
const PROGRAM = path.join(import.meta.dirname, '../../bin/vhd-util')
const { files } = makeSystem()
const home = process.cwd()
const zone = process.env['TZ']
const undo: (() => void)[] = []

beforeAll(() => {
  process.env['TZ'] = 'UTC'
})

afterEach(() => {
  process.chdir(home)
  for (const step of undo.splice(0).reverse()) step()
})

afterAll(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

function enter(directory: string): string {
  undo.push(() => {
    fs.rmSync(directory, { recursive: true, force: true })
  })
  process.chdir(directory)
  return directory
}

const cases = goldenCases()

describe('every recorded command', () => {
  it.each(cases.filter(({ commands }) => commands.length > 0))('has its recorded outcome on $name', async golden => {
    const directory = enter(unpack(golden))
    for (const command of golden.commands) {
      const outcome = await vhdUtil(command.argv.slice(1))
      expectRecorded(outcome, command, text => text.replaceAll(directory, '@DIR@'))
    }
  })

  it.each(cases.filter(({ name }) => ['fixed', 'missing-parent'].includes(name)))(
    'has it as a program too on $name',
    golden => {
      const directory = enter(unpack(golden))
      for (const command of golden.commands) {
        const { status, stdout, stderr } = spawnSync(PROGRAM, command.argv.slice(1), { cwd: directory })
        const outcome = { exitCode: status ?? -1, stdout: stdout.toString(), bytes: stdout, stderr: stderr.toString() }
        expectRecorded(outcome, command, text => text.replaceAll(directory, '@DIR@'))
      }
    },
  )
})

function expectRecorded(outcome: Outcome, command: GoldenCommand, place: (text: string) => string): void {
  const title = command.argv.join(' ')
  const stdout = place(outcome.stdout)
  expect(outcome.exitCode, title).toBe(command.rc)
  expect(place(outcome.stderr), title).toBe(command.stderr)
  if (command.stdoutHex !== undefined) expect(outcome.bytes.toString('hex'), title).toBe(command.stdoutHex)
  else if (command.stdoutLinesAnyOrder !== undefined) {
    const lines = stdout.split('\n').filter(line => line !== '')
    expect(lines.sort(), title).toEqual([...command.stdoutLinesAnyOrder].sort())
  } else if (command.stdoutNote !== undefined) expect(`${stdout.split('\n')[0] ?? ''}\n`, title).toBe(command.stdout)
  else expect(stdout, title).toBe(command.stdout)
}

/** Steps without a command line, done by other means. */
const OTHER_STEPS: Readonly<Record<string, (op: GoldenOp) => Promise<void>>> = {
  write: writePattern,
  raw: op => fs.promises.writeFile(op.file ?? '', rawContent(op)),
  copy: op => fs.promises.copyFile(op.from ?? '', op.to ?? ''),
  unlink: op => fs.promises.unlink(op.file ?? ''),
}

/** Where our bytes differ from the reference's on purpose, see docs/differences.md. */
const OTHER_BYTES: ReadonlySet<string> = new Set(['resize', 'resize-interrupted'])

const replayed = cases
  .filter(({ blockDevice }) => blockDevice === undefined)
  .map(golden => ({ golden, name: golden.name, steps: replayable(golden) }))

describe('every recorded change', () => {
  it.each(replayed)('leaves the recorded bytes in $name', async ({ golden, steps }) => {
    const directory = enter(scratch())
    for (const file of golden.files) fs.mkdirSync(path.dirname(path.join(directory, file.path)), { recursive: true })
    for (const [index, op] of steps.entries()) {
      if (op.parentMtimeUnix !== undefined) setTimes(directory, op.parentMtimeUnix)
      await replay(op)
      if (OTHER_BYTES.has(op.op)) break
      for (const [file, hash] of Object.entries(op.sha256After ?? {})) {
        expect(sha256OfFile(file), `${file} after step ${index} (${op.op})`).toBe(hash)
      }
    }
  })

  it('ends with the recorded parents after a coalesce', async () => {
    for (const [name, parent] of [
      ['coalesced', 'base.vhd'],
      ['coalesced-raw', 'base.raw'],
    ] as const) {
      const golden = caseNamed(name)
      enter(scratch())
      for (const op of golden.recipe) {
        if (op.parentMtimeUnix !== undefined) setTimes('.', op.parentMtimeUnix)
        await replay(op)
      }
      expect(fs.readFileSync(parent).equals(goldenFile(golden, parent)), name).toBe(true)
    }
  })
})

/** Up to the first damage. */
function replayable({ recipe }: GoldenCase): GoldenOp[] {
  const stop = recipe.findIndex(op => op.argv === undefined && OTHER_STEPS[op.op] === undefined)
  return recipe.slice(0, stop === -1 ? recipe.length : stop)
}

async function replay(op: GoldenOp): Promise<void> {
  if (op.argv === undefined) return OTHER_STEPS[op.op]?.(op)
  const [variable] = op.env?.split('=') ?? []
  const outcome = await vhdUtil(op.argv.slice(1), {
    system: { newUuid: () => op.uuid ?? '', now: () => (op.nowUnix ?? 0) * 1000 },
    env: variable === undefined ? {} : { [variable]: '1' },
  } satisfies RunOptions)
  expect(outcome.exitCode, op.argv.join(' ')).toBe(op.rc ?? 0)
  if (op.stdout !== undefined) expect(outcome.stdout, op.argv.join(' ')).toBe(op.stdout)
}

describe('an interrupted resize', () => {
  const interrupted = cases.flatMap(golden =>
    golden.revert === undefined ? [] : [{ golden, revert: golden.revert, name: golden.name }],
  )

  it.each(interrupted)('is undone in $name', async ({ golden, revert }) => {
    enter(unpack(golden))
    expect(await vhdUtil(revert.argv.slice(1))).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
    expect(fs.existsSync('jrn')).toBe(false)
    expect(sha256OfFile('d.vhd')).toBe(revert.fileSha256After)
  })

  it.each(interrupted)('is stopped where $name was, with the same journal', async ({ golden }) => {
    enter(scratch())
    for (const op of golden.recipe) await replay(op)
    expect(withoutTablePadding('d.vhd').equals(withoutTablePadding('d.vhd', goldenFile(golden, 'd.vhd')))).toBe(true)
    expect(withoutEntryPadding(fs.readFileSync('jrn'))).toEqual(withoutEntryPadding(goldenFile(golden, 'jrn')))
    expect((await vhdUtil(['query', '-n', 'd.vhd', '-v'])).exitCode).toBe(0)
    expect((await vhdUtil(['set', '-n', 'd.vhd', '-f', 'hidden', '-v', '1'])).exitCode).toBe(22)
  })
})

/** The reference leaves stray memory behind the last entry of a grown table. */
function withoutTablePadding(file: string, bytes: Buffer = fs.readFileSync(file)): Buffer {
  const entries = bytes.readUInt32BE(512 + 28)
  return bytes.fill(0, 1536 + entries * 4, 1536 + Math.ceil(entries / 128) * 512)
}

/** Entries without the four bytes of padding, which are stray memory in the reference, and the checksum over them. */
function withoutEntryPadding(journal: Buffer): string {
  for (let at = 512; at + 32 <= journal.length; at += 32 + journal.readUInt32BE(at + 12))
    journal.fill(0, at + 24, at + 32)
  return journal.toString('hex')
}

const canAttach = process.geteuid?.() === 0 && spawnSync('losetup', ['-f']).status === 0
const deviceCases = cases.flatMap(golden =>
  golden.blockDevice === undefined ? [] : [{ golden, device: golden.blockDevice, name: golden.name }],
)

describe.skipIf(!canAttach)('block devices', () => {
  it.each(deviceCases)('have the recorded outcomes in $name', async ({ golden, device }) => {
    const directory = enter(unpack(golden))
    const image = path.join(directory, device.image)
    const node = execFileSync('losetup', ['--show', '-f', image], { encoding: 'utf8' }).trim()
    undo.push(() => execFileSync('losetup', ['-d', node]))
    for (const command of device.commands) {
      const outcome = await vhdUtil(command.argv.slice(1).map(word => word.replace('@DEV@', node)))
      expectRecorded(outcome, command, text => text.replaceAll(node, '@DEV@'))
    }
  })
})

async function writePattern({ file = '', offset = 0, length = 0, seed = 0 }: GoldenOp): Promise<void> {
  for (let at = offset; at < offset + length; at = (Math.floor(at / BLOCK) + 1) * BLOCK) {
    const end = Math.min(offset + length, (Math.floor(at / BLOCK) + 1) * BLOCK)
    const image = await openImage(files, path.resolve(file), { write: true })
    await image.write(at, guestPattern(at, end - at, seed)).finally(() => image.close())
  }
}

function rawContent({ bytes = 0, fillByte = 0, sectorPattern }: GoldenOp): Buffer {
  const content = Buffer.alloc(bytes, fillByte)
  if (sectorPattern === undefined) return content
  for (let sector = 0; sector < bytes / 512; sector += sectorPattern.every) {
    guestPattern(sector * 512, 512, sectorPattern.seed).copy(content, sector * 512)
  }
  return content
}

function setTimes(directory: string, seconds: number): void {
  for (const name of fs.readdirSync(directory)) fs.utimesSync(path.join(directory, name), seconds, seconds)
}

function caseNamed(name: string): GoldenCase {
  const found = cases.find(golden => golden.name === name)
  if (found === undefined) throw new Error(`no recorded case ${name}`)
  return found
}
