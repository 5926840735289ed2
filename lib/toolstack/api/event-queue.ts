import { XapiError } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { collectEvents, nextChange, subscription, type Wanted } from './event.ts'
import { method, type ApiMethod } from './method.ts'

/** What a session of an old client wants to hear of, and up to where it has. */
export interface Subscription {
  readonly classes: readonly string[]
  readonly wanted: Wanted
  readonly since: number
}

const classes = { classes: 'strings' } as const

/** Events as clients before `event.from` ask for them (spec toolstack 5.3). */
export const eventQueueMethods: readonly ApiMethod[] = [
  method(['event.register', classes, 'void'], (call, args) => {
    register(call, args.classes)
  }),
  method(['event.unregister', classes, 'void'], (call, args) => {
    unregister(call, args.classes)
  }),
  method(['event.next', {}, { listOf: 'typed' }], next, { hasAsync: false }),
]

function register(call: Call, added: readonly string[]): void {
  const { store, subscriptions } = call.services
  const before = subscriptions.get(call.session)
  const wantedClasses = [...(before?.classes ?? []), ...added]
  const since = before?.since ?? store.generation
  subscriptions.set(call.session, { classes: wantedClasses, wanted: subscription(wantedClasses), since })
}

function unregister(call: Call, removed: readonly string[]): void {
  const { subscriptions } = call.services
  const before = subscriptions.get(call.session)
  const names = new Set(removed.map(name => name.toLowerCase()))
  const left = (before?.classes ?? []).filter(name => !names.has(name.toLowerCase()))
  if (before === undefined || left.length === 0) subscriptions.delete(call.session)
  else subscriptions.set(call.session, { ...before, classes: left, wanted: subscription(left) })
}

/** Waits for events. Throws XapiError SESSION_NOT_REGISTERED, and EVENTS_LOST where deletions are forgotten. */
async function next(call: Call): Promise<unknown> {
  const { store, closing } = call.services
  for (;;) {
    const { wanted, since } = subscriptionOf(call)
    if (store.forgottenUntil > since) {
      advance(call, store.generation)
      throw new XapiError('EVENTS_LOST', [])
    }
    const generation = store.generation
    const events = collectEvents(store, since, wanted)
    advance(call, generation)
    if (events.length > 0 || closing.aborted) return events
    await nextChange(store, longestSleepMs, closing)
  }
}

const longestSleepMs = 60_000

function subscriptionOf({ services, session }: Call): Subscription {
  const found = services.subscriptions.get(session)
  if (found === undefined || !services.store.has('session', session)) {
    throw new XapiError('SESSION_NOT_REGISTERED', [session])
  }
  return found
}

function advance({ services: { subscriptions }, session }: Call, since: number): void {
  const found = subscriptions.get(session)
  if (found !== undefined) subscriptions.set(session, { ...found, since })
}

/** Forgets what sessions wanted that are gone. */
export function forgetSubscriptions({ services: { store, subscriptions } }: Call): void {
  for (const session of subscriptions.keys()) {
    if (!store.has('session', session)) subscriptions.delete(session)
  }
}
