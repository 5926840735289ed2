import { Paths } from '../../../lib/os/paths.ts'
import { makeSystem } from '../../../lib/os/system.ts'
import { startToolstack } from '../../../lib/toolstack/toolstack.ts'

/** A toolstack in a process of its own, to be killed: `serve ROOT SM_DIR`. Says `ready` when it serves. */
const [root = '', smDir = ''] = process.argv.slice(2)
await startToolstack({ system: makeSystem(), paths: new Paths(root), smDir })
process.stdout.write('ready\n')
