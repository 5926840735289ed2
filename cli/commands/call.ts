import type { Command } from 'commander'
import { collectPair, collectText, connected, JSON_FLAG, makeCommand } from '../command.ts'
import type { CallOptions } from '../call/callDriver.ts'

export function callCommand(): Command {
  return makeCommand('call', {
    summary: 'send one SMAPIv1 command to a driver and show request and answer',
    description:
      'For development and for looking into trouble: the driver does what it is told, without the checks that the ' +
      'toolstack makes before. The session is taken out of what is shown. Exit code 1 where the answer is a fault.',
    examples: [
      ['sm call FileSR sr_get_driver_info', 'what the driver offers'],
      ['sm call FileSR sr_scan --sr my-sr', 'the SR brings its device_config along'],
      ['sm call FileSR vdi_resize --vdi disk-A --arg 21474836480', 'positional arguments in order'],
      ['sm call FileSR vdi_revert --vdi before-upgrade --arg OpaqueRef:…', 'the target as a reference'],
    ],
  })
    .argument('<driver>', 'name of the plugin, e.g. FileSR')
    .argument('<command>', 'e.g. sr_scan')
    .option('--sr <sr>', 'storage repository of the call')
    .option('--vdi <vdi>', 'VDI of the call; its storage repository is taken, too')
    .option('--arg <text>', 'positional argument; repeatable', collectText)
    .option('--device-config <key=value>', 'more device_config; repeatable', collectPair)
    .option('--member <key=value>', 'any other string member of the request; repeatable', collectPair)
    .option(...JSON_FLAG)
    .action((driver: string, command: string, options: CallOptions) =>
      connected(async connection => {
        const { callDriver } = await import('../call/callDriver.ts')
        await callDriver(connection, { driver, command, options })
      }),
    )
}
