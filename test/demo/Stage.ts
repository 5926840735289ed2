import path from 'node:path'
import type { Connection } from '../../cli/connection.ts'
import { pluginFolder } from '../../cli/environment.ts'
import { makeLogger } from '../../lib/os/log.ts'
import { Paths } from '../../lib/os/paths.ts'
import { makeSystem, type System } from '../../lib/os/system.ts'
import { startToolstack } from '../../lib/toolstack/toolstack.ts'
import { SmXapi } from '../../lib/xapi/SmXapi.ts'
import { connectXapi } from '../../lib/xapi/XapiEndpoint.ts'

export interface StageOptions {
  /** Where plugins kill themselves. */
  readonly killPoint?: string
  /** Directory of the plugins. */
  readonly smDir?: string
}

/** The world of the demo: a root folder, and a toolstack on it whenever one is needed. */
export class Stage {
  readonly system: System = makeSystem()
  readonly paths: Paths

  constructor(root: string) {
    this.paths = new Paths(root)
  }

  /** Runs `body` with a toolstack, by default with our own plugins. */
  async withToolstack<T>(
    body: (connection: Connection) => Promise<T>,
    { killPoint, smDir = pluginFolder() }: StageOptions = {},
  ): Promise<T> {
    const { system, paths } = this
    const log = path.join(paths.root, 'sm.log')
    // Plugins of other users than root heed crash points only where tests run them, which is what this is.
    const fist = killPoint === undefined ? {} : { SM_FIST: killPoint, VITEST: 'demo' }
    const toolstack = await startToolstack({
      system,
      paths,
      smDir,
      env: { SM_LOG: log, ...fist },
      log: makeLogger({ ident: 'toolstack', spec: log }),
    })
    const endpoint = connectXapi(toolstack.url, { effects: system.effects, paths })
    try {
      const session = String(await endpoint.request('session.login_with_password', ['root', '', '1.0', 'demo']))
      const caller = endpoint.session(session)
      const environment = { system, paths, smDir, xapiUrl: undefined }
      return await body({
        environment,
        url: toolstack.url,
        session,
        caller,
        xapi: new SmXapi(caller),
        ownToolstack: true,
      })
    } finally {
      await endpoint.close()
      await toolstack.close()
    }
  }
}
