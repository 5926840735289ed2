import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'

const SR = '15c51000-0000-4000-8000-000000000001'
const OTHER_SR = '15c51000-0000-4000-8000-000000000002'
const HOST = 'iqn.2026-01.org.example:host'
/** With two LUNs; with none; behind CHAP; with two portals. */
const [T1, T2, T3, T4] = [iqn('t1'), iqn('t2'), iqn('t3'), iqn('t4')] as const
const ID = '36001405aaaa000100004000800000000'
const OTHER_ID = '36001405aaaa000200004000800000000'
/** File of a LUN, where the shell has its `$number`. */
const IMAGE = '/tmp/target-$number.img'
const target = { target: '127.0.0.1' }
const complete = { ...target, targetIQN: T1, SCSIid: ID }
const other = { ...complete, SCSIid: OTHER_ID }

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
      target_disk 0 256M aaaa0001-0000-4000-8000-0000000000a1
      target_disk 1 128M aaaa0002-0000-4000-8000-0000000000b2
      iscsi_target ${T1} 127.0.0.1:3260 '0 1'
      iscsi_target ${T2} 127.0.0.1:3260 ''
      iscsi_target ${T3} 127.0.0.1:3261 1 user secret-of-user
      iscsi_mutual ${T3} target secret-of-target
      iscsi_target ${T4} '10.9.0.1:3262 10.9.0.2:3262' 0
      iscsi_host`)
    plugin = await start('LVHDoISCSISR', SR, complete)
    await plugin.create(complete)
    const second = await start('LVHDoISCSISR', OTHER_SR, other)
    await second.create(other)
    await second.close()
    await guest.run(`for number in 0 1; do cp --sparse=always ${IMAGE} ${IMAGE}.made; done`)
  })
  afterAll(async () => {
    await plugin.close()
  })
  /** An SR on each LUN, as it was made. */
  beforeEach(async () => {
    await guest.run(`for number in 0 1; do cp --sparse=always ${IMAGE}.made ${IMAGE}; done`)
  })
  afterEach(async () => {
    expect(await sessions(), 'nobody is logged in').toBe('')
    expect(await guest.run(`ls ${plugin.root}/run/sr-ref 2>/dev/null || true`), 'nobody uses a target').toBe('')
  })

  const start = (
    name: 'LVHDoISCSISR' | 'LVMoISCSISR',
    srUuid: string,
    pbdConfig: Record<string, string>,
    asProcess = false,
  ) => Plugin.start(guest, { plugin: name, srUuid, hostConfig: { iscsi_iqn: HOST }, pbdConfig, asProcess })
  /** The LUNs as they were before there was an SR. */
  const blank = () =>
    guest.run(`for number in 0 1; do dd if=/dev/zero of=${IMAGE} bs=1M count=12 conv=notrunc status=none; done`)
  const sessions = async () => (await guest.run('iscsiadm -m session 2>/dev/null || true')).trim()
  const portals = async () => [...(await sessions()).matchAll(/\] ([^,]+),/g)].map(([, portal]) => portal).sort()

  describe('the dialogue', () => {
    let teller: Plugin
    beforeAll(async () => {
      teller = await start('LVMoISCSISR', OTHER_SR, {}, true)
    })
    afterAll(async () => {
      await teller.close()
    })

    test.each([
      ['no target', {}, 95],
      ['a port that is none', { ...target, port: 'abc' }, 142],
      ['a port where nobody listens', { ...target, port: '3999', targetIQN: T1 }, 141],
      ['a SCSI id that the target does not have', { ...complete, SCSIid: '36001405deadbeef' }, 107],
    ])('%s', async (_what, config, code) => {
      expect(await teller.fault('sr_probe', config as Record<string, string>)).toMatchObject({ code, stderr: '' })
    })

    test('lists the targets, the LUNs, and the SRs on a LUN', async () => {
      await blank()
      const { code, stderr } = await teller.fault('sr_probe', target)
      expect([code, stderr]).toEqual([96, TARGETS])
      const luns = await teller.fault('sr_probe', { ...target, targetIQN: T1 })
      expect([luns.code, luns.stderr]).toEqual([107, LUNS])
      expect(await teller.probe(complete)).toBe(NO_SRS)
    })

    test('of a target that is not there lists those that are (83)', async () => {
      const { code, message, stderr } = await teller.fault('sr_probe', { ...target, targetIQN: `${T1}0` })
      expect([code, stderr]).toEqual([83, TARGETS])
      expect(message).toContain('[opterr=check target settings]')
    })
  })

  test('an SR lives on a LUN, and its sessions with it', async () => {
    await blank()
    const maker = await start('LVHDoISCSISR', SR, complete)
    await maker.create(complete)
    expect(await maker.smConfig()).toEqual({ devserial: `scsi-${ID}`, use_vhd: 'true' })
    expect((await maker.fault('sr_create', complete)).code).toBe(47)
    expect(await sessions()).toBe('')
    for (let times = 0; times < 2; times += 1) await maker.ok('sr_attach', complete)
    expect(await portals()).toEqual(['127.0.0.1:3260'])
    expect(await guest.run(`cat ${maker.root}/run/sr-ref/${T1}`)).toBe(`${SR}\n`)
    expect((await maker.pbd()).other_config).toEqual({ iscsi_sessions: '1' })
    expect(await maker.smConfig()).toMatchObject({ multipathable: 'true' })
    await maker.ok('sr_scan', complete)
    for (let times = 0; times < 2; times += 1) await maker.ok('sr_detach', complete)
    expect((await maker.pbd()).other_config).toEqual({})
    expect(await guest.run(`ls ${maker.root}/run/sr-ref`)).toBe('')
    expect(await maker.probe(complete)).toContain(
      `<UUID>${SR}</UUID>\n\t\t<Devlist>/dev/disk/by-id/scsi-${ID}</Devlist>`,
    )
    await maker.close()
  })

  test('two SRs share the sessions of a target; the last one ends them', async () => {
    const second = await start('LVHDoISCSISR', OTHER_SR, other)
    await plugin.ok('sr_attach', complete)
    await second.ok('sr_attach', other)
    // Each has a root of its own here; on a host they have one.
    await guest.run(`echo ${OTHER_SR} >>${plugin.root}/run/sr-ref/${T1}`)
    await plugin.ok('sr_detach', complete)
    expect(await portals()).toEqual(['127.0.0.1:3260'])
    await second.ok('sr_scan', other)
    await guest.run(`rm ${plugin.root}/run/sr-ref/${T1}`)
    await second.ok('sr_detach', other)
    await second.close()
  })

  test('a LUN that another SR has is not made into one (16)', async () => {
    const second = await start('LVHDoISCSISR', OTHER_SR, complete)
    await second.otherSr({}, { devserial: `scsi-${ID}` })
    expect((await second.fault('sr_create', complete)).code).toBe(16)
    await second.close()
  })

  test('a copy of the LUN beside it is noticed (119)', async () => {
    await guest.run(`
      cp --sparse=always /tmp/target-0.img /tmp/target-2.img
      target_disk 2 256M aaaa0003-0000-4000-8000-0000000000c3
      mkdir $LIO/iscsi/${T1}/tpgt_1/lun/lun_2
      ln -s $LIO/core/fileio_2/disk2 $LIO/iscsi/${T1}/tpgt_1/lun/lun_2/disk`)
    try {
      expect((await plugin.fault('sr_attach', complete)).code).toBe(119)
    } finally {
      await guest.run(`rm $LIO/iscsi/${T1}/tpgt_1/lun/lun_2/disk; rmdir $LIO/iscsi/${T1}/tpgt_1/lun/lun_2`)
    }
  })

  test('a LUN that is gone is missing (107), and found again when it is back', async () => {
    const lun = `$LIO/iscsi/${T1}/tpgt_1/lun/lun_0`
    await guest.run(`rm ${lun}/disk; rmdir ${lun}`)
    try {
      expect((await plugin.fault('sr_attach', complete)).code).toBe(107)
    } finally {
      await guest.run(`mkdir ${lun}; ln -s $LIO/core/fileio_0/disk0 ${lun}/disk`)
    }
    await plugin.ok('sr_attach', complete)
    await plugin.ok('sr_detach', complete)
  })

  describe('with CHAP', () => {
    const account = { chapuser: 'user', chappassword: 'secret-of-user' }
    const mutual = { ...account, incoming_chapuser: 'target', incoming_chappassword: 'secret-of-target' }
    const behindChap = { ...other, targetIQN: T3, port: '3261' }
    beforeAll(async () => {
      await guest.run('iscsi_discovery_auth user secret-of-user')
    })
    afterAll(async () => {
      await guest.run('iscsi_discovery_auth')
    })

    test('who knows the password comes in, and nobody reads it in the log', async () => {
      for (const config of [account, mutual])
        expect(await plugin.probe({ ...behindChap, ...config })).toContain(OTHER_SR)
      const secret = String(await plugin.call('secret.create', { value: 'secret-of-user', other_config: {} }))
      const uuid = String(await plugin.call('secret.get_uuid', secret))
      const bySecret = { chapuser: 'user', chappassword_secret: uuid }
      expect(await plugin.probe({ ...behindChap, ...bySecret })).toContain(OTHER_SR)
      expect(await guest.run('grep -c secret-of /tmp/SMlog || true')).toBe('0\n')
    })

    test.each([
      ['a wrong password', { ...account, chappassword: 'guessed' }, 68],
      ['no password', {}, 68],
      ['a target that proves itself wrongly', { ...mutual, incoming_chappassword: 'guessed' }, 68],
      ['a secret that is gone', { chapuser: 'user', chappassword_secret: SR }, 20],
    ])('%s', async (_what, config, code) => {
      const fault = await plugin.fault('sr_attach', { ...behindChap, ...config })
      expect(fault.code).toBe(code)
      expect(fault.message).not.toMatch(/secret-of|guessed/)
    })
  })

  describe('through several portals', () => {
    const both = { target: '10.9.0.1', port: '3262', targetIQN: T4, SCSIid: ID, multihomed: 'true' }
    const [one, two] = ['10.9.0.1:3262', '10.9.0.2:3262']

    test('all are logged in to', async () => {
      await plugin.ok('sr_attach', both)
      expect(await portals()).toEqual([one, two])
      const { device_config, other_config } = await plugin.pbd()
      expect(device_config['multihomelist']?.split(',').sort()).toEqual([one, two])
      expect(other_config).toMatchObject({ iscsi_sessions: '2' })
      await plugin.ok('sr_detach', both)
    })

    test('one that is down keeps nobody out', async () => {
      await guest.run('ip addr del 10.9.0.1/32 dev lo')
      onTestFinished(async () => {
        await guest.run('ip addr add 10.9.0.1/32 dev lo')
      })
      expect((await plugin.fault('sr_attach', both)).code).toBe(141)
      await plugin.ok('sr_attach', { ...both, multihomelist: `${one},${two}` })
      expect(await portals()).toEqual([two])
      await plugin.ok('sr_detach', both)
      const listed = { ...both, target: '10.9.0.1,10.9.0.2', multihomed: 'false' }
      await plugin.ok('sr_attach', listed)
      expect(await portals()).toEqual([two])
      expect((await plugin.pbd()).device_config['multiSession']).toBe(`10.9.0.2,3262,${T4}|`)
      await plugin.ok('sr_detach', listed)
    })
  })

  test('a disk is attached while xapi is not there', async () => {
    await plugin.ok('sr_attach', complete)
    const disk = (await plugin.ok('vdi_create', complete, { args: ['8388608'], vdi_sm_config: { type: 'raw' } })) as {
      uuid: string
    }
    const vdi = { vdi_uuid: disk.uuid, vdi_location: disk.uuid }
    const config = String(await plugin.ok('vdi_generate_config', complete, vdi))
    await plugin.ok('sr_detach', complete)
    const answer = (await plugin.runDocument(config)) as Record<string, unknown>
    expect(answer['params_nbd']).toContain(disk.uuid)
    expect(await portals()).toEqual(['127.0.0.1:3260'])
    await plugin.runDocument(config.replaceAll('vdi_attach_from_config', 'vdi_detach_from_config'))
    await plugin.ok('sr_attach', complete)
    await plugin.ok('vdi_delete', complete, vdi)
    await plugin.ok('sr_delete', complete)
    expect(await plugin.probe(complete)).toBe(NO_SRS)
  })
})

function iqn(name: string): string {
  return `iqn.2026-01.org.example:${name}`
}

const NO_SRS = '<?xml version="1.0" ?>\n<SRlist/>\n'

const TARGETS = targets(
  ['127.0.0.1', T1],
  ['127.0.0.1', T2],
  ['127.0.0.1', T3, 3261],
  ['10.9.0.1', T4, 3262],
  ['10.9.0.2', T4, 3262],
  ['127.0.0.1', '*'],
)

function targets(...entries: readonly (readonly [address: string, iqn: string, port?: number])[]): string {
  const list = entries.map(([address, name, port], index) => {
    const fields = [`<Index>${index}</Index>`, `<IPAddress>${address}</IPAddress>`]
    if (port !== undefined) fields.push(`<Port>${port}</Port>`)
    fields.push(`<TargetIQN>${name}</TargetIQN>`)
    return ['\t<TGT>', ...fields.map(field => `\t\t${field}`), '\t</TGT>\n'].join('\n')
  })
  return `<?xml version="1.0" ?>\n<iscsi-target-iqns>\n${list.join('')}</iscsi-target-iqns>\n\n`
}

const LUNS = `<?xml version="1.0" ?>
<iscsi-target>
\t<LUN>
\t\t<vendor>LIO-ORG</vendor>
\t\t<serial>aaaa0001-0000-4000-8000-0000000000a1</serial>
\t\t<LUNid>0</LUNid>
\t\t<size>268435456</size>
\t\t<SCSIid>${ID}</SCSIid>
\t</LUN>
\t<LUN>
\t\t<vendor>LIO-ORG</vendor>
\t\t<serial>aaaa0002-0000-4000-8000-0000000000b2</serial>
\t\t<LUNid>1</LUNid>
\t\t<size>134217728</size>
\t\t<SCSIid>${OTHER_ID}</SCSIid>
\t</LUN>
</iscsi-target>

`
