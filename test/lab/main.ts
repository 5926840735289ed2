// npm run lab -- [COMMAND...]: runs a command, or a shell, in a guest that has the project as /project (docs/lab.md).
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { kernelCommand } from './Guest.ts'
import { missingForLab } from './requirements.ts'

const MEMORY_MIB = 2048

const HELP = `npm run lab [-- COMMAND...]

A shell, or one command, in a Linux of its own: a User Mode Linux kernel with LVM, device-mapper, NFS, SCSI and iSCSI on this
machine's file tree, which nothing in it can change. The project is /project; disks are loop devices in memory:

  npm run lab -- 'lvm_setup; vgcreate VG_x $(loop_disk 1G) && vgs'

Functions for the shell, and how tests use guests: docs/lab.md
`

async function main(words: readonly string[]): Promise<number> {
  if (['--help', '-h'].includes(words[0] ?? '')) {
    process.stdout.write(HELP)
    return 0
  }
  const missing = missingForLab()
  if (missing !== undefined) {
    process.stderr.write(`lab: ${missing}\n`)
    return 2
  }
  const directory = mkdtempSync(path.join(tmpdir(), 'sm-lab-'))
  try {
    mkdirSync(path.join(directory, 'exchange'))
    writeFileSync(path.join(directory, 'exchange', 'script'), script(words))
    await boot(directory, words.length === 0)
    const status = path.join(directory, 'exchange', 'status')
    if (existsSync(status)) return Number(readFileSync(status, 'utf8'))
    process.stderr.write('lab: the guest ended before the command did\n')
    return 1
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What the guest runs; the lab's functions are at hand. */
function script(words: readonly string[]): string {
  const functions = '. /project/test/lab/guest/functions.sh'
  if (words.length > 0) return `${functions}\n${words.length === 1 ? String(words[0]) : words.map(quoted).join(' ')}\n`
  const greeting = 'A shell in the lab. Functions: docs/lab.md. Leave it with "exit".'
  return `echo '${greeting}'\nexec bash --rcfile /project/test/lab/guest/functions.sh -i\n`
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

async function boot(directory: string, interactive: boolean): Promise<void> {
  const [program = '', ...settings] = kernelCommand(directory, { memoryMib: MEMORY_MIB })
  const channel = interactive ? 'con0=fd:0,fd:1' : 'con0=null,fd:1'
  const args = [...settings, 'loglevel=0', 'lab.run=script', 'con=null', channel]
  await new Promise<void>((resolve, reject) => {
    const stdio = [interactive ? 'inherit' : 'ignore', 'inherit', 'inherit'] as const
    const child = spawn(program, args, { stdio: [...stdio] })
    child.on('error', reject)
    child.on('exit', () => {
      resolve()
    })
  })
}

main(process.argv.slice(2)).then(
  code => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`lab: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exitCode = 1
  },
)
