import type { Typed } from '../api/types.ts'

/** Runs a call for a client. Throws XapiError. */
export type Answering = (method: string, params: readonly unknown[]) => Promise<Typed>

/** No call of ours is longer. */
export const maxBodyBytes = 16 * 1024 * 1024
