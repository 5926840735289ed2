import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'

const SR = '15c51000-0000-4000-8000-000000000001'
const HOST = 'iqn.2026-01.org.example:host'
const [T1, T2] = ['iqn.2026-01.org.example:t1', 'iqn.2026-01.org.example:t2']
const ID = '36001405aaaa000100004000800000000'
const OTHER_ID = '36001405aaaa000200004000800000000'
const target = { target: '127.0.0.1' }
const complete = { ...target, targetIQN: T1, SCSIid: ID }

describeLab('LVHDoISCSISR', () => {
  let guest: Guest
  let plugin: Plugin
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run(`
      lvm_setup '^/dev/sd'
      udev_scsi_only
      ip addr add 10.9.0.1/32 dev lo
      ip addr add 10.9.0.2/32 dev lo
      target_start
      target_disk 0 1G aaaa0001-0000-4000-8000-0000000000a1
      target_disk 1 512M aaaa0002-0000-4000-8000-0000000000b2
      iscsi_target ${T1} 127.0.0.1:3260 '0 1'
      iscsi_target ${T2} 127.0.0.1:3260 ''
      iscsi_host`)
    plugin = await Plugin.start(guest, {
      plugin: 'LVHDoISCSISR',
      srUuid: SR,
      hostConfig: { iscsi_iqn: HOST },
      pbdConfig: complete,
      asProcess: true,
    })
  })
  afterAll(async () => {
    await plugin.close()
  })
  afterEach(async () => {
    expect(await sessions(), 'nobody is logged in').toBe('')
  })

  const sessions = async () => (await guest.run('iscsiadm -m session 2>/dev/null || true')).trim()

  describe('the dialogue', () => {
    test.each([
      ['no target', {}, 95],
      ['a port that is none', { ...target, port: 'abc' }, 142],
      ['a port where nobody listens', { ...target, port: '3999', targetIQN: T1 }, 141],
      ['a SCSI id that the target does not have', { ...complete, SCSIid: '36001405deadbeef' }, 107],
    ])('%s', async (_what, config, code) => {
      expect(await plugin.fault('sr_probe', config as Record<string, string>)).toMatchObject({ code, stderr: '' })
    })

    test('lists the targets, the LUNs, and the SRs on a LUN', async () => {
      const { code, stderr } = await plugin.fault('sr_probe', target)
      expect([code, stderr]).toEqual([96, targets(T1, T2, '*')])
      const luns = await plugin.fault('sr_probe', { ...target, targetIQN: T1 })
      expect([luns.code, luns.stderr]).toEqual([107, LUNS])
      expect(await plugin.probe(complete)).toBe('<?xml version="1.0" ?>\n<SRlist/>\n')
    })

    test('of a target that is not there lists those that are (83)', async () => {
      const { code, message, stderr } = await plugin.fault('sr_probe', { ...target, targetIQN: `${T1}0` })
      expect([code, stderr]).toEqual([83, targets(T1, T2, '*')])
      expect(message).toContain('[opterr=check target settings]')
    })
  })
})

function targets(...iqns: readonly string[]): string {
  const entries = iqns.map(
    (iqn, index) =>
      `\t<TGT>\n\t\t<Index>${index}</Index>\n\t\t<IPAddress>127.0.0.1</IPAddress>\n\t\t<TargetIQN>${iqn}</TargetIQN>\n\t</TGT>\n`,
  )
  return `<?xml version="1.0" ?>\n<iscsi-target-iqns>\n${entries.join('')}</iscsi-target-iqns>\n\n`
}

const LUNS = `<?xml version="1.0" ?>
<iscsi-target>
\t<LUN>
\t\t<vendor>LIO-ORG</vendor>
\t\t<serial>aaaa0001-0000-4000-8000-0000000000a1</serial>
\t\t<LUNid>0</LUNid>
\t\t<size>1073741824</size>
\t\t<SCSIid>${ID}</SCSIid>
\t</LUN>
\t<LUN>
\t\t<vendor>LIO-ORG</vendor>
\t\t<serial>aaaa0002-0000-4000-8000-0000000000b2</serial>
\t\t<LUNid>1</LUNid>
\t\t<size>536870912</size>
\t\t<SCSIid>${OTHER_ID}</SCSIid>
\t</LUN>
</iscsi-target>

`
