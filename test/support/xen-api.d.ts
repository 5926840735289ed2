/** The part of npm `xen-api` that tests use; the package has no types. */
declare module 'xen-api' {
  export interface XapiObject {
    readonly $ref: string
    readonly $type: string
    readonly uuid: string
    readonly [field: string]: unknown
  }

  export interface XapiOptions {
    readonly url: string
    readonly watchEvents?: boolean | readonly string[]
    readonly transport?: 'auto' | 'json-rpc' | 'xml-rpc'
  }

  export class Xapi {
    constructor(options: XapiOptions)
    readonly objectsFetched: Promise<void>
    readonly objects: { readonly all: Readonly<Record<string, XapiObject>> }
    readonly pool: XapiObject
    connect(): Promise<void>
    disconnect(): Promise<void>
    call(method: string, ...args: unknown[]): Promise<unknown>
    callAsync(method: string, ...args: unknown[]): Promise<unknown>
    barrier(ref?: string): Promise<XapiObject>
    getObject(idOrRef: string): XapiObject
    getRecord(type: string, ref: string): Promise<XapiObject>
  }
}
