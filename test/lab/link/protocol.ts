/** What a link does with what is sent over it. */
export const LinkState = {
  whole: 0,
  /** Requests are lost. */
  cut: 1,
  /** Requests arrive, answers are lost. */
  mute: 2,
} as const

export type Outage = 'cut' | 'mute'

export interface LinkData {
  readonly port: number
  readonly serverPort: number
  /** Shared between threads: one of `LinkState`. */
  readonly state: Int32Array<SharedArrayBuffer>
}
