import { timingSafeEqual, createHash } from 'node:crypto'
import { XapiError } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { xapiDate } from '../Services.ts'
import { forgetSubscriptions } from './event-queue.ts'
import { method, type ApiMethod } from './method.ts'

const loginParams = { uname: 'string', pwd: 'string', version: 'string', originator: 'string' } as const
const loginOptions = { needsSession: false, hasAsync: false, fallbacks: { version: '', originator: '' } }

/** Sessions (spec toolstack 5.1). */
export const sessionMethods: readonly ApiMethod[] = [
  method(['session.login_with_password', loginParams, 'ref'], login, loginOptions),
  method(['session.slave_local_login_with_password', { uname: 'string', pwd: 'string' }, 'ref'], login, {
    needsSession: false,
    hasAsync: false,
  }),
  method(['session.logout', {}, 'void'], logout, { hasAsync: false }),
  method(['session.local_logout', {}, 'void'], logout, { hasAsync: false }),
]

function login(call: Call, { uname, pwd, originator }: { uname: string; pwd: string; originator?: string }): string {
  const { store, system, host, credentials } = call.services
  if (call.caller.transport === 'tcp') {
    const isKnown = credentials !== undefined && same(uname, credentials.user) && same(pwd, credentials.password)
    if (!isKnown) throw new XapiError('SESSION_AUTHENTICATION_FAILED', [uname, 'Authentication failure'])
  }
  return store.create('session', {
    this_host: host,
    last_active: xapiDate(system.now()),
    pool: true,
    is_local_superuser: true,
    auth_user_name: uname,
    originator: originator ?? '',
  })
}

function logout(call: Call): void {
  call.services.store.remove('session', call.session)
  forgetSubscriptions(call)
}

/** Compares in the same time whatever the difference. */
function same(a: string, b: string): boolean {
  const [left, right] = [a, b].map(text => createHash('sha256').update(text).digest())
  return left !== undefined && right !== undefined && timingSafeEqual(left, right)
}
