import { expect, test } from 'vitest'
import { askDaemon, mapNames, parseTopology, tellDaemon } from '../../../lib/multipath/multipathd.ts'
import { formatCount, parseCount } from '../../../lib/multipath/pathCount.ts'
import { fcHost } from '../scsi/support.ts'

const LIST = 'name   sysfs uuid\n36aaa  dm-0  36aaa\nmpathb dm-1  36bbb\n'
const TOPOLOGY = `36aaa dm-0 LIO-ORG,FILEIO
size=300M features='1 queue_if_no_path' hwhandler='1 alua' wp=rw
|-+- policy='service-time 0' prio=50 status=active
| \`- 0:0:1:0  sda 8:0   active ready  running
\`-+- policy='service-time 0' prio=50 status=enabled
  |- 1:0:1:0  sdb 8:16  failed faulty offline
  |- 10:0:1:0 sdaa 65:16 active shaky running
  \`- 2:0:1:0  sdc 8:32  active i/o pending running
`

const daemon = (answer: string) => fcHost({ multipathd: () => answer }).deps

test.each([
  ['without prompts', LIST],
  ['with prompts', `multipathd> ${LIST}multipathd> `],
  ['with colours', LIST.replace('36aaa', '\u001b[1m36aaa\u001b[0m')],
])('maps are listed by a daemon that answers %s', async (_, answer) => {
  expect(await mapNames(daemon(answer))).toEqual(['36aaa', 'mpathb'])
})

test('a daemon without maps lists none', async () => {
  expect(await mapNames(daemon('multipathd> ok\nmultipathd> '))).toEqual([])
  expect(await mapNames(daemon(''))).toEqual([])
  expect(await mapNames(daemon('name sysfs uuid\n'))).toEqual([])
})

test('a change is done when the daemon says ok, with or without prompts', async () => {
  expect(await tellDaemon(daemon('ok\n'), 'resize map x')).toBe(true)
  expect(await tellDaemon(daemon('multipathd> ok\nmultipathd> '), 'resize map x')).toBe(true)
  expect(await tellDaemon(daemon('multipathd> fail\nmultipathd> '), 'resize map x')).toBe(false)
})

test('the command is the standard input', async () => {
  const host = fcHost({ multipathd: (args, input) => `${args.join(' ')} ${input}` })
  expect(await askDaemon(host.deps, 'show topology')).toBe('-k show topology\n')
})

test('a path is down when the checker or device-mapper says so', () => {
  expect(parseTopology(TOPOLOGY)).toEqual([
    { name: 'sda', isUp: true },
    { name: 'sdb', isUp: false },
    { name: 'sdaa', isUp: false },
    { name: 'sdc', isUp: true },
  ])
})

test('a count is written and read as clients know it', () => {
  expect(formatCount({ up: 2, max: 4 })).toBe('[2, 4]')
  expect(parseCount('[2, 4]')).toEqual({ up: 2, max: 4 })
  for (const text of [undefined, '', '2/4', '[2]']) expect(parseCount(text)).toBeUndefined()
})
