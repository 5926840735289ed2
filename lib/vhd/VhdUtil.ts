/** What a scan tells of one VHD file (spec vhd 7.13, file-sr 4.2). Sizes in bytes. */
export interface VhdScanRow {
  /** File name without directory, e.g. `<uuid>.vhd`. */
  readonly name: string
  readonly virtualSize: number
  /** `st_size` of the file. */
  readonly physicalSize: number
  readonly hidden: boolean
  /** File name of the parent as the header names it, undefined for a root. Not resolved, may dangle. */
  readonly parentName: string | undefined
  /** Hash of the encryption key, undefined where none is set. */
  readonly keyHash: string | undefined
}

/** A file that matched but is no readable VHD. */
export interface VhdScanError {
  readonly name: string
  readonly error: Error
}

export interface VhdInfo {
  /** Bytes. */
  readonly virtualSize: number
  /** Absolute path of the parent, undefined for a root. */
  readonly parent: string | undefined
  readonly hidden: boolean
}

export interface CreateOptions {
  /** Lay out the tables for this size, to grow into without moving anything; bytes. */
  readonly maxSize?: number
  /** A fixed disk instead of a dynamic one. */
  readonly fixed?: boolean
}

export interface SnapshotOptions {
  /** The parent is a raw image, not a VHD. */
  readonly parentRaw?: boolean
  /** Link to exactly this parent, without the empty-parent rule (spec vhd 7.2 `-e`). */
  readonly exactParent?: boolean
  /** As in `CreateOptions`. */
  readonly maxSize?: number
}

/** The parent of a child whose name it does not bear yet. */
export interface FutureParent {
  /** Absolute path of the parent's present file. */
  readonly parentFile: string
  /** The name the parent will have in the child's directory. */
  readonly linkName: string
}

/**
 * What drivers need of a VHD tool. Two implementations: `NativeVhdUtil` runs blktap's programs,
 * `EmbeddedVhdUtil` works in process. Both leave the same bytes (spec vhd).
 *
 * All sizes are bytes, all paths absolute. Failures are `VhdError` with an errno-like `code`.
 */
export interface VhdUtil {
  /** Makes an empty dynamic disk; the virtual size is rounded up to 2 MiB. An existing file is replaced. */
  create(path: string, virtualSize: number, options?: CreateOptions): Promise<void>
  /** Makes an empty child of `parent` (or, by the empty-parent rule, of its first ancestor with data or root), of `parent`'s virtual size. */
  snapshot(child: string, parent: string, options?: SnapshotOptions): Promise<void>
  /**
   * Makes an empty child of the VHD that is now at `parentFile` but will be called `linkName`: for switches by two
   * renames on file systems without hard links (spec file-sr 22.3 step 9).
   */
  createChild(child: string, parent: FutureParent): Promise<void>
  /** Virtual size, resolved parent and hidden flag, trusting only the footer copy at offset 0 (the disk may be open elsewhere). */
  info(path: string): Promise<VhdInfo>
  virtualSize(path: string): Promise<number>
  /** End of data + 512, bytes. */
  physicalSize(path: string): Promise<number>
  /**
   * Moves the end footer to where the image will end: before a volume is cut to `bytes`, or after it has grown to that (spec vhd 5).
   * Throws EINVAL for a size that cuts into the data.
   */
  setPhysicalSize(path: string, bytes: number): Promise<void>
  /** Absolute path of the parent or undefined. Throws ENOENT where the chain dangles. */
  parent(path: string): Promise<string | undefined>
  /** Rewrites locators and header of an already differencing disk. */
  setParent(path: string, parent: string, options?: { readonly parentRaw?: boolean }): Promise<void>
  /** Number of images from this one to the root, itself included. */
  depth(path: string): Promise<number>
  hidden(path: string): Promise<boolean>
  setHidden(path: string, hidden: boolean): Promise<void>
  /** Number of allocated blocks of this image alone. */
  allocatedBlocks(path: string): Promise<number>
  hasParent(path: string): Promise<boolean>
  /** The virtual size up to which the tables have room, bytes. */
  sizeLimit(path: string): Promise<number>
  /**
   * Grows the virtual size; `journal` lets `revertResize` undo an interrupted run. Without one, only within `sizeLimit`:
   * throws EINVAL beyond it.
   */
  resize(path: string, virtualSize: number, journal?: string): Promise<void>
  revertResize(path: string, journal: string): Promise<void>
  /** Throws `VhdError` EINVAL where the image is not sound; `allowMissingEndFooter` for images that may be open or crashed. */
  check(path: string, options?: { readonly allowMissingEndFooter?: boolean }): Promise<void>
  /** Restores both footers from any valid one. */
  repair(path: string): Promise<void>
  /** Drops all blocks (spec vhd 7.6 `-z`). */
  killData(path: string): Promise<void>
  keyHash(path: string): Promise<string | undefined>
  setKeyHash(path: string, hash: string): Promise<void>
  /** All `*.vhd` of a directory, broken ones included as errors, sorted by name. */
  scan(directory: string): Promise<(VhdScanRow | VhdScanError)[]>
}

/** A VHD operation that failed; `code` is the errno name (`EINVAL`, `ENOENT`, `ENOSPC`…) and `errno` its positive number, as the tool's exit status. */
export class VhdError extends Error {
  readonly code: string
  readonly errno: number

  constructor(code: string, errno: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'VhdError'
    this.code = code
    this.errno = errno
  }
}
