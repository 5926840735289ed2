import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** An Ethernet switch for guests. It is a process of the host; nothing is connected to the host's own network. */
export class Switch {
  readonly socket: string
  readonly #process: ChildProcess

  private constructor(socket: string, child: ChildProcess) {
    this.socket = socket
    this.#process = child
  }

  /** `directory`: where its socket goes. */
  static async start(directory: string): Promise<Switch> {
    const socket = path.join(directory, 'switch')
    const command = ['--pdeathsig', 'TERM', 'uml_switch', '-unix', socket]
    const child = spawn('setpriv', command, { stdio: 'ignore' })
    for (let tries = 0; !existsSync(socket); tries += 1) {
      if (tries === 500 || child.exitCode !== null) throw new Error('uml_switch does not start')
      await sleep(10)
    }
    return new Switch(socket, child)
  }

  async stop(): Promise<void> {
    const ended = new Promise(resolve => this.#process.on('exit', resolve))
    if (this.#process.exitCode === null && this.#process.kill()) await ended
  }
}
