/** A variable of the public contract (README); one that is empty counts as not set, as a script that clears it means it. */
export function setting(name: `SM_${string}`): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}
