import { SmError } from '../smapi/SmError.ts'
import { SmXapi } from './SmXapi.ts'
import { connectXapi } from './XapiEndpoint.ts'
import type { Effects } from '../os/effects.ts'
import type { Paths } from '../os/paths.ts'
import type { Ref, XapiCaller } from './XapiClient.ts'

/** What a plugin call says about XenAPI (spec smapi 2.2: `session_ref`, `subtask_of`). */
export interface SmRequest {
  readonly sessionRef?: Ref | undefined
  readonly subtaskOf?: Ref | undefined
}

export interface SmConnection {
  readonly xapi: SmXapi
  readonly close: () => Promise<void>
}

/**
 * The XenAPI of a plugin call, at `$SM_XAPI_URL` or the local xapi, with the session of the request, which stays
 * logged in. Without a session every call throws SmError APISession.
 */
export function connectSmXapi(options: { request: SmRequest; paths: Paths; effects: Effects }): SmConnection {
  const { request, paths, effects } = options
  const endpoint = connectXapi(process.env['SM_XAPI_URL'], {
    effects,
    paths,
    subtaskOf: request.subtaskOf,
    originator: process.env['ORIGINATOR'],
  })
  const caller = request.sessionRef === undefined ? withoutSession : endpoint.session(request.sessionRef)
  return { xapi: new SmXapi(caller), close: () => endpoint.close() }
}

const withoutSession: XapiCaller = {
  call: method => Promise.reject(new SmError('APISession', `${method} without a session`)),
}
