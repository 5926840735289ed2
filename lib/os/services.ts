import { setTimeout as sleep } from 'node:timers/promises'
import type { System } from './system.ts'

type Argv = readonly [string, ...string[]]

/** A daemon of the host that drivers need. */
export interface Service {
  /** Its name for systemd, and that of its program. */
  readonly name: string
  /** How it is told to end where there is no systemd. */
  readonly stop: Argv
}

const SYSTEMCTL = '/usr/bin/systemctl'
/** There where systemd is the host's init. */
const SYSTEMD = '/run/systemd/system'
const PATIENCE_MS = 10_000
const POLL_MS = 50

/** Whether it runs. */
export async function isServiceRunning(system: System, { name }: Service): Promise<boolean> {
  const argv: Argv = (await hasSystemd(system)) ? [SYSTEMCTL, 'is-active', `${name}.service`] : ['pidof', name]
  return (await system.run(argv, { okExitCodes: 'all', changes: false })).exitCode === 0
}

/** Starts it and waits until it runs. @throws CommandError; Error where it does not come up */
export async function startService(system: System, service: Service): Promise<void> {
  await system.run((await hasSystemd(system)) ? [SYSTEMCTL, 'start', `${service.name}.service`] : [service.name])
  await waitFor(system, service, true)
}

/** Ends it and waits until it is gone. @throws CommandError; Error where it stays */
export async function stopService(system: System, service: Service): Promise<void> {
  await system.run((await hasSystemd(system)) ? [SYSTEMCTL, 'stop', `${service.name}.service`] : service.stop)
  await waitFor(system, service, false)
}

async function hasSystemd({ files }: System): Promise<boolean> {
  return (await files.exists(SYSTEMD)) && (await files.exists(SYSTEMCTL))
}

async function waitFor(system: System, service: Service, running: boolean): Promise<void> {
  for (let waited = 0; (await isServiceRunning(system, service)) !== running; waited += POLL_MS) {
    if (waited >= PATIENCE_MS) throw new Error(`${service.name} does not ${running ? 'start' : 'stop'}`)
    await sleep(POLL_MS)
  }
}
