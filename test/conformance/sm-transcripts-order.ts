/** One line of an effect trace: number, kind, what. */
const EFFECT = /^\d+ (file|xapi|process|lock|mount) (.*)$/
const CHANGES_FILE = /^(?:create|write|truncate|link|rename|unlink) .*\.(?:vhd|raw)(?:\.new)?(?: |$)/
const CHANGES_VOLUME = /^(?:lvcreate|lvrename|lvremove|lvresize|lvchange (?:-p|--addtag|--deltag)) /
const WRITES_VOLUME = /^(?:write|punch) \/dev\/VG_XenStorage-[^ ]*\/VHD-/

/**
 * What is wrong with the order in which a command that succeeded changed disks and records, where others can see it: a
 * disk is paused before its files change and resumed last, statistics follow the files (spec file-sr 11.2, 12).
 */
export function orderProblems(command: string, trace: string): string[] {
  const effects = trace.split('\n').map(line => EFFECT.exec(line)?.slice(1) ?? ['', ''])
  const disk = positions(effects, ([kind = '', what = '']) => changesDisk(kind, what))
  // The reference removes an unused base last.
  const made = positions(effects, ([kind = '', what = '']) => changesDisk(kind, what) && !what.startsWith('lvremove '))
  const call = (method: string) => positions(effects, ([kind, what]) => kind === 'xapi' && what === method)
  const [first = Infinity, last = -Infinity] = [disk[0], disk.at(-1)]
  const problems: string[] = []
  if (call('SR.set_virtual_allocation').some(at => at < (made.at(-1) ?? -Infinity)))
    problems.push('statistics before a change of a disk')
  if (command !== 'vdi_snapshot' && command !== 'vdi_clone') return problems
  const [paused = Infinity, resumed = -Infinity] = [
    call('VDI.add_to_sm_config')[0],
    call('VDI.remove_from_sm_config').at(-1),
  ]
  if (!(paused < first)) problems.push('a disk changed before it was paused')
  if (!(resumed > last)) problems.push('a disk changed after it was resumed')
  return problems
}

function changesDisk(kind: string, what: string): boolean {
  if (kind === 'process') return CHANGES_VOLUME.test(what)
  return kind === 'file' && (CHANGES_FILE.test(what) || WRITES_VOLUME.test(what))
}

function positions(effects: readonly (readonly string[])[], wanted: (effect: readonly string[]) => boolean): number[] {
  return effects.flatMap((effect, at) => (wanted(effect) ? [at] : []))
}
