import path from 'node:path'
import { isErrno, type Files } from '../../os/files.ts'

/** A file for a browser. */
export interface Page {
  readonly contentType: string
  readonly body: string
}

/** What a browser may ask for, and the file that answers it: nothing else in the folder is served. */
const pages: ReadonlyMap<string, readonly [file: string, contentType: string]> = new Map([
  ['/', ['index.html', 'text/html; charset=utf-8']],
  ['/page.css', ['page.css', 'text/css; charset=utf-8']],
  ['/page.js', ['page.js', 'text/javascript; charset=utf-8']],
])

/** A page runs only what came from here, and talks only to here. */
export const pageHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store',
}

export type FindPage = (urlPath: string) => Promise<Page | undefined>

/** Finds the pages of a folder; undefined for paths that are none, or whose file is not there. */
export function pagesIn(files: Files, directory: string): FindPage {
  return async urlPath => {
    const [file, contentType] = pages.get(urlPath) ?? []
    if (file === undefined || contentType === undefined) return undefined
    try {
      return { contentType, body: await files.readText(path.join(directory, file)) }
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    }
  }
}
