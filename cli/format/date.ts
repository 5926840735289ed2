const XAPI_DATE = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?Z$/

/** A date of XenAPI (`20260817T09:30:00Z`) for people: `2026-08-17 09:30:00 UTC`; what is none is shown as it is. */
export function formatDate(text: string): string {
  const [, year, month, day, hour, minute, second] = XAPI_DATE.exec(text) ?? []
  if (second === undefined) return text
  return `${year ?? ''}-${month ?? ''}-${day ?? ''} ${hour ?? ''}:${minute ?? ''}:${second} UTC`
}

/** Milliseconds for people: `42 ms`, `1.8 s`, `3 min 20 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
