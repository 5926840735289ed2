import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { LinkState, type LinkData, type Outage } from '../link/protocol.ts'

const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))

/** From here on the link loses what it is told to lose. */
export function breakLink(outage: Outage): void {
  Atomics.store(state, 0, LinkState[outage])
}

export function mendLink(): void {
  Atomics.store(state, 0, LinkState.whole)
}

/** The link by which clients of a guest reach its NFS server when they mount it with `port=`. */
export class LossyLink {
  readonly #worker: Worker

  private constructor(worker: Worker) {
    this.#worker = worker
  }

  static async start({ port }: { readonly port: number }): Promise<LossyLink> {
    const workerData: LinkData = { port, serverPort: 2049, state }
    const worker = new Worker('/project/dist/lab-link.cjs', { workerData })
    await once(worker, 'message')
    return new LossyLink(worker)
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}
