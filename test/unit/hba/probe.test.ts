import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { probeDevices } from '../../../drivers/hba/probeDevices.ts'
import { Paths } from '../../../lib/os/paths.ts'
import { fcHost, LUN_A, LUN_B, LUN_D, type Tool } from '../scsi/support.ts'

const probe = async (host: ReturnType<typeof fcHost>, used: readonly string[] = []) =>
  (await probeDevices(host.deps, new Set(used))).replaceAll(host.root, '')

const blockDevice = (fields: readonly string[]) => {
  const names = ['path', 'numpaths', 'SCSIid', 'vendor', 'serial', 'size', 'adapter', 'channel', 'id', 'lun', 'hba']
  const lines = fields.map((text, index) => `\t\t<${names[index] ?? ''}>${text}</${names[index] ?? ''}>\n`)
  return `\t<BlockDevice>\n${lines.join('')}\t</BlockDevice>\n`
}
const fcAdapter = (number: number, hex: string) => `\t<Adapter>
\t\t<host>host${number}</host>
\t\t<name>qla2xxx</name>
\t\t<manufacturer>QLogic Fibre Channel HBA Driver</manufacturer>
\t\t<id>${number}</id>
\t\t<fc_host>
\t\t\t<node_name>0x20000024ff0000${hex}</node_name>
\t\t\t<port_name>0x21000024ff0000${hex}</port_name>
\t\t\t<port_state>Online</port_state>
\t\t\t<speed>16 Gbit</speed>
\t\t\t<supported_speeds>4 Gbit, 8 Gbit, 16 Gbit</supported_speeds>
\t\t</fc_host>
\t</Adapter>
`
const A = blockDevice(['/dev/sdb [sdd]', '2', LUN_A, 'EXAMPLE', 'Ssdb', '1099511627776', '1', '0', '1', '0', 'qla2xxx'])
const B = blockDevice(['/dev/sdc [sde]', '2', LUN_B, 'EXAMPLE', 'Ssdc', '2199023255552', '1', '0', '1', '1', 'qla2xxx'])
const D = blockDevice(['/dev/sdg', '1', LUN_D, 'EXAMPLE', 'Ssdg', '34359738368', '1', '0', '10', '0', 'qla2xxx'])
const ADAPTERS = `${fcAdapter(1, '01')}\t<Adapter>
\t\t<host>host3</host>
\t\t<name>mptspi</name>
\t\t<manufacturer>Unknown</manufacturer>
\t\t<id>3</id>
\t</Adapter>
${fcAdapter(10, '0a')}`
const document = (devices: string) => `<?xml version="1.0" ?>\n<Devlist>\n${devices}${ADAPTERS}</Devlist>\n`

test('every LUN is one device with the number of its paths, then come all adapters', async () => {
  expect(await probe(fcHost())).toBe(document(D + A + B))
})

test('adapters are scanned, and no other host is', async () => {
  const host = fcHost()
  await probe(host)
  const scanned = [0, 1, 2, 3, 10].filter(n => host.written(`sys/class/scsi_host/host${n}/scan`) === '- - -')
  expect(scanned).toEqual([1, 3, 10])
})

test("LUNs that an SR is on and the host's own disk are left out", async () => {
  expect(await probe(fcHost(), [LUN_B])).toBe(document(D + A))
  const host = fcHost()
  const { inventory } = new Paths(host.root)
  mkdirSync(path.dirname(inventory), { recursive: true })
  writeFileSync(inventory, `PRIMARY_DISK='${path.join(host.root, 'dev/sdg')}'\n`)
  expect(await probe(host)).toBe(document(A + B))
})

test('a path that does not answer counts, but another one is asked; a LUN without any that does is left out', async () => {
  const sginfo: Tool = ([option, device = '']) =>
    /sd[bceg]$/.test(device) && !device.endsWith('sde') ? 2 : option === '-s' ? "'S2'\n" : 'Vendor: V\n'
  expect(await probe(fcHost({ sginfo }))).toBe(
    document(
      blockDevice(['/dev/sdd [sdb]', '2', LUN_A, 'V', 'S2', '1099511627776', '10', '0', '0', '0', 'qla2xxx']) +
        blockDevice(['/dev/sde [sdc]', '2', LUN_B, 'V', 'S2', '2199023255552', '10', '0', '0', '1', 'qla2xxx']),
    ),
  )
})

test('what a disk says of itself cannot break the document', async () => {
  const sginfo: Tool = ([option]) => (option === '-s' ? "'<a>&b'\n" : 'Vendor: "x" <y>\n')
  const text = await probe(fcHost({ sginfo }))
  expect(text).toContain('<vendor>"x" &lt;y&gt;</vendor>')
  expect(text).toContain('<serial>&lt;a&gt;&amp;b</serial>')
})

test('a host without a disk of any name has nothing to choose from', async () => {
  const host = fcHost()
  host.remove('dev/disk/by-id')
  expect(await probe(host)).toBe('<?xml version="1.0" ?>\n<Devlist/>\n')
})
