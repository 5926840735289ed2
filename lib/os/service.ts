import type { System } from './system.ts'

/** There while systemd is what started the system, and not merely installed. */
const SYSTEMD = '/run/systemd/system'
const SYSTEMCTL = '/usr/bin/systemctl'

type Deps = Pick<System, 'files' | 'run'>

/** Whether a daemon runs: `multipathd`, of `multipathd.service`. */
export async function isServiceActive({ files, run }: Deps, daemon: string): Promise<boolean> {
  const hasSystemd = await files.exists(SYSTEMD)
  const question = hasSystemd ? ([SYSTEMCTL, 'is-active', `${daemon}.service`] as const) : (['pidof', daemon] as const)
  const { exitCode } = await run(question, { okExitCodes: [0, 1, 3, 4], changes: false })
  return exitCode === 0
}

/** Starts a daemon, as a service where there is systemd; it goes to the background by itself. @throws CommandError */
export async function startService({ files, run }: Deps, daemon: string): Promise<void> {
  if (await files.exists(SYSTEMD)) await run([SYSTEMCTL, 'start', `${daemon}.service`])
  else await run([daemon])
}

/** Stops a daemon. Nothing happens where it does not run. @throws CommandError */
export async function stopService({ files, run }: Deps, daemon: string): Promise<void> {
  if (await files.exists(SYSTEMD)) await run([SYSTEMCTL, 'stop', `${daemon}.service`])
  else await run(['pkill', '-x', daemon], { okExitCodes: [0, 1] })
}
