import path from 'node:path'
import { type Files, isErrno } from '../lib/os/files.ts'
import { hasWildcards, patternToRegExp, unescape } from './pattern.ts'

/** A directory that could not be listed. */
export class GlobError extends Error {
  readonly directory: string

  constructor(directory: string, cause: unknown) {
    super(`cannot list ${directory}`, { cause })
    this.directory = directory
  }
}

/**
 * The names that match, as glob(3) with braces: sorted per alternative, relative where the pattern is, nothing where
 * nothing matches. Throws GlobError for a directory that cannot be listed.
 */
export async function glob(files: Files, pattern: string): Promise<string[]> {
  const found: string[] = []
  for (const alternative of expandBraces(pattern)) found.push(...(await expandPath(files, alternative)))
  return found
}

async function expandPath(files: Files, pattern: string): Promise<string[]> {
  const [first = '', ...rest] = pattern.split(/\/+/)
  const absolute = first === '' && rest.length > 0
  const words = (absolute ? rest : [first, ...rest]).filter(part => part !== '')
  let places = [absolute ? '/' : '']
  for (const word of words) {
    const next = await Promise.all(places.map(place => expandWord(files, place, word)))
    places = next.flat()
  }
  if (hasWildcards(words.at(-1) ?? '')) return places
  const found: string[] = []
  for (const place of places) if (place !== '' && (await files.exists(place))) found.push(place)
  return found
}

async function expandWord(files: Files, place: string, word: string): Promise<string[]> {
  if (!hasWildcards(word)) return [join(place, unescape(word))]
  const matches = patternToRegExp(word)
  const names = await list(files, place === '' ? '.' : place)
  return names
    .filter(name => matches.test(name) && (word.startsWith('.') || !name.startsWith('.')))
    .map(name => join(place, name))
}

async function list(files: Files, directory: string): Promise<string[]> {
  try {
    return await files.list(directory)
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) return []
    throw new GlobError(directory, error)
  }
}

/** Keeps a leading `./`, which path.join would drop. */
function join(place: string, name: string): string {
  return place === '' ? name : place === '.' ? `./${name}` : path.join(place, name)
}

/** `a{b,c}d` as `abd` and `acd`; a brace that is not closed or has no comma is text. */
export function expandBraces(pattern: string): string[] {
  const group = firstGroup(pattern)
  if (group === undefined) return [pattern]
  const { start, end, commas } = group
  const edges = [start, ...commas, end]
  const alternatives = edges.slice(1).map((edge, index) => pattern.slice((edges[index] ?? start) + 1, edge))
  return alternatives.flatMap(text => expandBraces(pattern.slice(0, start) + text + pattern.slice(end + 1)))
}

function firstGroup(pattern: string): { start: number; end: number; commas: number[] } | undefined {
  for (let start = 0; start < pattern.length; start++) {
    if (pattern.charAt(start) === '\\') start += 1
    else if (pattern.charAt(start) === '{') {
      const rest = closeGroup(pattern, start)
      if (rest !== undefined && rest.commas.length > 0) return { start, ...rest }
    }
  }
  return undefined
}

function closeGroup(pattern: string, start: number): { end: number; commas: number[] } | undefined {
  const commas: number[] = []
  let depth = 0
  for (let at = start; at < pattern.length; at++) {
    const character = pattern.charAt(at)
    if (character === '\\') at += 1
    else if (character === '{') depth += 1
    else if (character === '}' && --depth === 0) return { end: at, commas }
    else if (character === ',' && depth === 1) commas.push(at)
  }
  return undefined
}
