import { readFileSync } from 'node:fs'
import path from 'node:path'

const FOLDER = path.resolve(import.meta.dirname, '../../fixtures/smapi')

/** One of the worked examples of spec smapi 11. */
export function example(name: string): string {
  return readFileSync(path.join(FOLDER, `${name}.xml`), 'utf8')
}

/** A call document whose single parameter holds this content. */
export function callWith(value: string): string {
  return `<methodCall><methodName>sr_scan</methodName><params><param><value>${value}</value></param></params></methodCall>`
}

export const SR = '6f2b9c1e-84d3-4b0a-9d57-2f6a1c3e5b70'
export const DISK = '0c8e5a3d-1b7f-4e29-8a64-9f3d2c7b1e05'
export const SNAPSHOT = 'b47d9e12-6c3a-4f85-b1d0-7e2a5c8f4390'
