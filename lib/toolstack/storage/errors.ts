/** Errors of the storage layer (spec toolstack 7); `api/storage-call.ts` turns them into those of XenAPI. */

/** A driver failed: the code and parameters are those that clients get. */
export class BackendError extends Error {
  readonly code: string
  readonly params: readonly string[]

  constructor(code: string, params: readonly string[]) {
    super(params.length === 0 ? code : `${code}: ${params.join(', ')}`)
    this.name = 'BackendError'
    this.code = code
    this.params = params
  }
}

/** A driver does not offer an operation: the caller decides what that means. */
export class Unimplemented extends Error {
  readonly operation: string

  constructor(operation: string) {
    super(`the driver does not offer ${operation}`)
    this.name = 'Unimplemented'
    this.operation = operation
  }
}

/** No disk of the SR has this location or uuid. */
export class VdiDoesNotExist extends Error {
  readonly vdi: string

  constructor(vdi: string) {
    super(`no disk ${vdi}`)
    this.name = 'VdiDoesNotExist'
    this.vdi = vdi
  }
}

/** No SR has this uuid, or this host is not connected to it. */
export class SrNotAttached extends Error {
  readonly sr: string

  constructor(sr: string) {
    super(`SR ${sr} is not attached`)
    this.name = 'SrNotAttached'
    this.sr = sr
  }
}
