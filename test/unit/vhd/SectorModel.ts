const SECTOR = 512

export interface Change {
  readonly kind: 'write' | 'zero' | 'allocate' | 'trim'
  /** Bytes. */
  readonly position: number
  readonly length: number
  readonly fill: number
}

interface Sector {
  /** What it may hold now: after a trim the old content or zeroes. */
  now: Buffer[]
  /** What it may have held since the last `settle`. */
  past: Buffer[]
}

/** What every sector of a disk may hold. */
export class SectorModel {
  readonly #sectors: Sector[]

  constructor(content: Buffer) {
    this.#sectors = sectorsOf(content).map(bytes => ({ now: [bytes], past: [] }))
  }

  apply(change: Change): void {
    const end = change.position + change.length
    const trim = change.kind === 'trim'
    const first = trim ? Math.ceil(change.position / SECTOR) : Math.floor(change.position / SECTOR)
    const stop = trim ? Math.floor(end / SECTOR) : Math.ceil(end / SECTOR)
    for (const [index, sector] of this.#sectors.entries()) {
      if (index < first || index >= stop) continue
      sector.past = unique([...sector.past, ...sector.now])
      sector.now = trim
        ? unique([...sector.now, Buffer.alloc(SECTOR)])
        : unique(sector.now.map(bytes => overlay(bytes, index * SECTOR, change)))
    }
  }

  /** The content turned out to be this; what was before does not count any more. */
  settle(content: Buffer): void {
    for (const [index, bytes] of sectorsOf(content).entries()) this.#sectors[index] = { now: [bytes], past: [] }
  }

  /** Sectors that hold neither what they should nor, after a trim, zeroes. */
  wrongSectors(content: Buffer): number[] {
    return this.#without(content, ({ now }) => now)
  }

  /** Sectors that hold nothing they held at any time since `settle`. */
  impossibleSectors(content: Buffer): number[] {
    return this.#without(content, ({ now, past }) => [...now, ...past])
  }

  #without(content: Buffer, candidates: (sector: Sector) => readonly Buffer[]): number[] {
    const found = sectorsOf(content)
    const isWrong = (sector: Sector, index: number): boolean =>
      !candidates(sector).some(bytes => found[index]?.equals(bytes) === true)
    return [...this.#sectors.entries()].filter(([index, sector]) => isWrong(sector, index)).map(([index]) => index)
  }
}

function overlay(bytes: Buffer, start: number, { kind, position, length, fill }: Change): Buffer {
  const from = Math.max(0, position - start)
  const to = Math.min(SECTOR, position + length - start)
  return to > from ? Buffer.from(bytes).fill(kind === 'write' ? fill : 0, from, to) : bytes
}

function sectorsOf(content: Buffer): Buffer[] {
  return Array.from({ length: content.length / SECTOR }, (_, index) =>
    Buffer.from(content.subarray(index * SECTOR, (index + 1) * SECTOR)),
  )
}

function unique(buffers: readonly Buffer[]): Buffer[] {
  const found: Buffer[] = []
  for (const bytes of buffers) if (!found.some(other => other.equals(bytes))) found.push(bytes)
  return found
}
