import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand } from '../command.ts'

export function infoCommand(): Command {
  return makeCommand('info', {
    summary: 'show the environment, or everything about one object',
    description: 'Without a name: where state and log are, which drivers there are and what they do.',
    examples: [
      ['sm info', 'the environment'],
      ['sm info disk-A', 'the record of a disk, snapshot or storage repository'],
      ['sm info disk-A --json', 'the same for programs'],
    ],
  })
    .argument('[object]', 'disk, snapshot or storage repository: name, uuid, beginning of the uuid or reference')
    .option(...JSON_FLAG)
    .action((text: string | undefined, { json }: { json?: true }) =>
      connected(async connection => {
        const info = await import('../info/info.ts')
        await (text === undefined ? info.showEnvironment : info.showObject(text))(connection, json === true)
      }),
    )
}
