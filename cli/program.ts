import { Command } from 'commander'
import { callCommand } from './commands/call.ts'
import { infoCommand } from './commands/info.ts'
import { pbdPlugCommand } from './commands/pbd-plug.ts'
import { pbdUnplugCommand } from './commands/pbd-unplug.ts'
import { srCreateCommand } from './commands/sr-create.ts'
import { srDestroyCommand } from './commands/sr-destroy.ts'
import { srForgetCommand } from './commands/sr-forget.ts'
import { srListCommand } from './commands/sr-list.ts'
import { srScanCommand } from './commands/sr-scan.ts'
import { toolstackCommand } from './commands/toolstack.ts'
import { treeCommand } from './commands/tree.ts'
import { vdiAttachCommand } from './commands/vdi-attach.ts'
import { vdiCloneCommand } from './commands/vdi-clone.ts'
import { vdiCreateCommand } from './commands/vdi-create.ts'
import { vdiDestroyCommand } from './commands/vdi-destroy.ts'
import { vdiDetachCommand } from './commands/vdi-detach.ts'
import { vdiExportCommand } from './commands/vdi-export.ts'
import { vdiImportCommand } from './commands/vdi-import.ts'
import { vdiListCommand } from './commands/vdi-list.ts'
import { vdiResizeCommand } from './commands/vdi-resize.ts'
import { vdiRevertCommand } from './commands/vdi-revert.ts'
import { vdiSnapshotCommand } from './commands/vdi-snapshot.ts'

const GROUPS: readonly (readonly [heading: string, commands: readonly (() => Command)[]])[] = [
  [
    'Storage repositories:',
    [
      srCreateCommand,
      srListCommand,
      srScanCommand,
      treeCommand,
      pbdPlugCommand,
      pbdUnplugCommand,
      srForgetCommand,
      srDestroyCommand,
    ],
  ],
  [
    'Disks:',
    [
      vdiCreateCommand,
      vdiListCommand,
      vdiAttachCommand,
      vdiDetachCommand,
      vdiImportCommand,
      vdiExportCommand,
      vdiResizeCommand,
      vdiDestroyCommand,
    ],
  ],
  ['Snapshots:', [vdiSnapshotCommand, vdiRevertCommand, vdiCloneCommand]],
  ['Looking closer:', [infoCommand, callCommand]],
  ['Serving others:', [toolstackCommand]],
]

const DESCRIPTION = `Storage manager for virtual disks: snapshots, and going back to them in place.

A storage repository (SR) holds virtual disks (VDIs). Objects are named by name label, uuid, the beginning of a uuid (4 characters or more) or reference. SRs in directories need no root.`

const AFTER = `
First steps:
  sm sr-create my-sr --location /srv/disks
  sm vdi-create my-sr disk-A --size 10GiB
  sm vdi-snapshot disk-A before-upgrade
  sm vdi-revert before-upgrade

Environment:
  SM_ROOT      folder for state, locks, mounts and log; default $XDG_STATE_HOME/sm or ~/.local/state/sm
  SM_XAPI_URL  toolstack to talk to, unix:PATH or http://HOST:PORT; default: one started for each command
  SM_LOG       stderr, none or a file; default $SM_ROOT/var/log/sm.log
  SM_VHD_UTIL  embedded, native or the path of a vhd-util; default embedded
  SM_DATAPATH  what serves open disks: nbd, tapdisk or the path of a tap-ctl; default nbd

Exit codes: 0 done, 1 the operation failed, 2 the command line is wrong, 130 interrupted (Ctrl-C).
\`sm COMMAND --help\` shows options and examples.`

/** The whole command line of `sm`. Parsing throws CommanderError for a wrong one instead of ending the process. */
export function buildProgram(): Command {
  const program = new Command('sm')
    .description(DESCRIPTION)
    .addHelpText('after', AFTER)
    .helpCommand('help [command]', 'show help')
    .exitOverride()
  for (const [heading, commands] of GROUPS) {
    for (const make of commands) {
      const command = make().copyInheritedSettings(program).helpGroup(heading)
      command.showHelpAfterError(`(sm ${command.name()} --help shows how it is used)`)
      program.addCommand(command)
    }
  }
  return program.showHelpAfterError('(sm --help shows all commands)')
}
