import { writeAnswer } from '../lib/os/output.ts'
import type { DriverInfo } from '../lib/smapi/DriverInfo.ts'
import { encodeResult } from '../lib/smapi/commands.ts'
import { decodeRequest, type Request } from '../lib/smapi/Request.ts'
import { SmError } from '../lib/smapi/SmError.ts'
import { encodeFault } from '../lib/smapi/xmlrpc.ts'

/** An SM plugin: what sr_get_driver_info answers, and what answers every other command, loaded only when one comes. */
export interface Plugin {
  readonly info: DriverInfo
  readonly answer: (request: Request) => Promise<string>
}

/**
 * Runs one plugin call: the request is the only argument, the answer or the fault goes to stdout, everything else to the
 * log. The exit code is 0 whenever an answer was written (spec smapi 1).
 */
export async function runPlugin(plugin: Plugin, argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  await writeAnswer(await answerTo(plugin, argv))
}

/**
 * The XML document that answers one plugin call. sr_get_driver_info, which xapi asks of every plugin at start-up, is
 * answered without loading a driver.
 */
export async function answerTo(plugin: Plugin, argv: readonly string[]): Promise<string> {
  try {
    const [argument] = argv
    if (argument === undefined || argv.length !== 1) {
      throw new SmError('BadRequest', 'one argument is expected: the methodCall document')
    }
    const request = decodeRequest(argument)
    if (request.command === 'sr_get_driver_info') return encodeResult('sr_get_driver_info', plugin.info)
    return await plugin.answer(request)
  } catch (error) {
    if (error instanceof SmError) return encodeFault(error.code, error.message)
    return encodeFault(new SmError('GenericException').code, error instanceof Error ? error.message : String(error))
  }
}
