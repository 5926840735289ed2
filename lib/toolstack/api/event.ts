import { XapiError, type Ref } from '../../xapi/XapiClient.ts'
import type { Call } from '../Call.ts'
import { viewRecord } from '../derived.ts'
import { classNames, definitionOf, isClassName, type ClassName } from '../schema/schema.ts'
import type { Store } from '../Store.ts'
import { method, type ApiMethod } from './method.ts'
import { Typed } from './types.ts'

const batch = {
  struct: { events: { listOf: 'typed' }, valid_ref_counts: { mapOf: 'int32' }, token: 'string' },
} as const

/** Longest wait of one call, in seconds; a client that wants more asks again. */
const maxTimeout = 3600

/** Events (spec toolstack 5.3). */
export const eventMethods: readonly ApiMethod[] = [
  method(['event.from', { classes: 'strings', token: 'string', timeout: 'float' }, batch], eventsFrom, {
    hasAsync: false,
  }),
  method(['event.inject', { class: 'string', ref: 'ref' }, 'string'], inject, { hasAsync: false }),
  method(['event.get_current_id', {}, 'int'], call => call.services.store.generation, { hasAsync: false }),
]

/** Whether somebody wants to hear of an object. */
export type Wanted = (className: ClassName, ref: Ref) => boolean

async function eventsFrom(
  call: Call,
  { classes, token, timeout }: { classes: readonly string[]; token: string; timeout: number },
): Promise<unknown> {
  const { store } = call.services
  const since = readToken(token)
  const wanted = subscription(classes)
  const deadline = performance.now() + Math.min(Math.max(timeout, 0), maxTimeout) * 1000
  let events = collectEvents(store, since, wanted)
  while (events.length === 0 && performance.now() < deadline && !call.services.closing.aborted) {
    await nextChange(store, deadline - performance.now(), call.services.closing)
    events = collectEvents(store, since, wanted)
  }
  return { events, valid_ref_counts: refCounts(store), token: String(store.generation) }
}

function readToken(token: string): number {
  if (token === '') return 0
  const generation = /^\d{1,15}$/.test(token) ? Number(token) : NaN
  if (Number.isNaN(generation)) throw new XapiError('EVENT_FROM_TOKEN_PARSE_FAILURE', [token])
  return generation
}

/** `*`, a class, or `class/reference`, in letters of any case. */
export function subscription(classes: readonly string[]): Wanted {
  const names = new Set(classes.map(entry => entry.toLowerCase()))
  return (className, ref) =>
    names.has('*') || names.has(className.toLowerCase()) || names.has(`${className}/${ref}`.toLowerCase())
}

function listedClasses(): ClassName[] {
  return classNames.filter(name => definitionOf(name).listed)
}

/** Deletions first, then changes, then new objects. */
export function collectEvents(store: Store, since: number, wanted: Wanted): Typed[] {
  const gone = store.tombstones
    .filter(({ className, ref, created, deleted }) => deleted > since && created <= since && wanted(className, ref))
    .filter(({ className }) => definitionOf(className).listed)
    .map(({ className, ref, deleted }) => eventOf(className, 'del', ref, deleted))
  const living = listedClasses().flatMap(className =>
    store
      .stamps(className)
      .filter(({ ref, modified }) => modified > since && wanted(className, ref))
      .map(stamp => ({ className, ...stamp })),
  )
  const shown = ({ className, ref, modified }: (typeof living)[number], operation: string) =>
    eventOf(className, operation, ref, modified, viewRecord(store, className, ref))
  return [
    ...gone,
    ...living.filter(({ created }) => created <= since).map(stamp => shown(stamp, 'mod')),
    ...living.filter(({ created }) => created > since).map(stamp => shown(stamp, 'add')),
  ]
}

function eventOf(className: ClassName, operation: string, ref: Ref, id: number, snapshot?: unknown): Typed {
  const texts = { id: 'string', timestamp: 'string', class: 'string', operation: 'string', ref: 'ref' } as const
  const value = { id: String(id), timestamp: '0.0', class: className.toLowerCase(), operation, ref }
  if (snapshot === undefined) return new Typed({ struct: texts }, value)
  return new Typed({ struct: { ...texts, snapshot: { record: className } } }, { ...value, snapshot })
}

function refCounts(store: Store): Record<string, number> {
  return Object.fromEntries(listedClasses().map(name => [name.toLowerCase(), store.refs(name).length]))
}

/** Resolves with the next write, or when the time is over or the toolstack ends. */
export function nextChange(store: Store, milliseconds: number, closing: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      stop()
      clearTimeout(timer)
      closing.removeEventListener('abort', done)
      resolve()
    }
    const stop = store.listen(done)
    const timer = setTimeout(done, milliseconds)
    closing.addEventListener('abort', done)
  })
}

/** Makes an object look changed, so that a client can see its own place in the stream. */
function inject(call: Call, { class: name, ref }: { class: string; ref: Ref }): string {
  const className = classNames.find(known => known.toLowerCase() === name.toLowerCase())
  if (className === undefined || !isClassName(className)) throw new XapiError('HANDLE_INVALID', [name, ref])
  call.services.store.update(className, ref, {})
  return String(call.services.store.generation)
}
