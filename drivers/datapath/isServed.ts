import { datapathOf } from '../../lib/datapath/chooseDatapath.ts'
import type { Context } from '../Context.ts'

/** Whether the server whose socket a link leads to still runs. */
export async function isServed(context: Context, socket: string): Promise<boolean> {
  return (await (await datapathOf(context, socket)).serving(socket)) !== undefined
}
