import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'

const SR = '4f500000-0000-4000-8000-000000000002'
const EXPORT = { server: '127.0.0.1', serverpath: '/export' }
const MOUNTS = 'findmnt -n -o SOURCE -t nfs,nfs4 || true'

/** What others have left or stopped processes, and what other storage managers have mounted. */
describeLab('NFSSR on what it finds', () => {
  let guest: Guest
  let plugin: Plugin
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run('mountpoint -q /srv/nfs || nfs_server 300M')
    plugin = await Plugin.start(guest, { plugin: 'NFSSR', srUuid: SR, pbdConfig: EXPORT })
  })
  afterEach(async () => {
    await guest.run(`
      while mountpoint -q ${plugin.mountPoint} || findmnt ${plugin.mountPoint} >/dev/null; do umount -l ${plugin.mountPoint}; done
      rm -rf /srv/nfs/export/* ${plugin.mountPoint}`)
  })
  afterAll(async () => {
    await plugin.close()
  })

  /** As a creation or deletion leaves it that is stopped between its mount and its umount. */
  const leaveExportMounted = () =>
    guest.run(`mkdir -p ${plugin.mountPoint}; mount.nfs 127.0.0.1:/export ${plugin.mountPoint} -o vers=3,nolock`)

  test('the export itself in the place of the SR is not taken for it: nothing in it is deleted', async () => {
    await plugin.create(EXPORT)
    await guest.run('echo precious >/srv/nfs/export/precious.iso')
    await leaveExportMounted()
    await plugin.ok('sr_attach', EXPORT)
    expect(await guest.run(`ls -A ${plugin.mountPoint}`)).toBe('sm-hardlink.conf\n')
    await plugin.ok('sr_detach', EXPORT)
    expect(await guest.run(MOUNTS)).toBe('')
    await leaveExportMounted()
    expect((await plugin.fault('sr_scan', EXPORT)).code).toBe(47)
    await plugin.ok('sr_delete', EXPORT)
    expect(await guest.run(`ls -A /srv/nfs/export; ${MOUNTS}`)).toBe('precious.iso\n')
  })

  test('an SR whose directory the server has lost fails its commands, and is let go of', async () => {
    await plugin.create(EXPORT)
    await plugin.ok('sr_attach', EXPORT)
    await guest.run(`rm -rf /srv/nfs/export/${SR}`)
    expect((await plugin.fault('sr_scan', EXPORT)).code).not.toBe(1200)
    await plugin.ok('sr_detach', EXPORT)
    expect(await guest.run(MOUNTS)).toBe('')
  })

  test('an SR that is mounted with options of another storage manager is let go of', async () => {
    await plugin.create(EXPORT)
    await plugin.ok('sr_attach', EXPORT)
    const theirs = { ...EXPORT, options: 'actimeo=0' }
    expect((await plugin.fault('sr_attach', theirs)).code).toBe(1)
    await plugin.ok('sr_detach', theirs)
    expect(await guest.run(MOUNTS)).toBe('')
  })

  test.each([
    ['a file', `touch /srv/nfs/export/${SR}`],
    ['a link to nowhere', `ln -s /nowhere /srv/nfs/export/${SR}`],
    ['a link out of the export', `ln -s /tmp /srv/nfs/export/${SR}`],
  ])(
    '%s with the name of the SR is no SR: none is made in its place (42), and a probe finds others',
    async (_what, make) => {
      const other = '4f500000-0000-4000-8000-000000000003'
      await guest.run(`${make}; mkdir /srv/nfs/export/${other}`)
      expect((await plugin.fault('sr_create', EXPORT)).code).toBe(42)
      const found = await plugin.probe(EXPORT)
      expect(found).toContain(other)
      expect(found).not.toContain(SR)
      expect(await guest.run(MOUNTS)).toBe('')
    },
  )

  test('files below the mount point are left alone, and hide no error', async () => {
    await guest.run(`mkdir -p ${plugin.mountPoint}; touch ${plugin.mountPoint}/somebodys`)
    expect((await plugin.fault('sr_create', { ...EXPORT, serverpath: '/none' })).code).toBe(73)
    await plugin.create(EXPORT)
    await plugin.ok('sr_attach', EXPORT)
    await plugin.ok('sr_detach', EXPORT)
    expect(await guest.run(`ls -A ${plugin.mountPoint}; ${MOUNTS}`)).toBe('somebodys\n')
  })

  test('a disk is attached while xapi is not there, and the SR with it', async () => {
    await plugin.create(EXPORT)
    await plugin.ok('sr_attach', EXPORT)
    const { uuid } = (await plugin.ok('vdi_create', EXPORT, { args: ['8388608'] })) as { uuid: string }
    const vdi = { vdi_uuid: uuid, vdi_location: uuid }
    const config = String(await plugin.ok('vdi_generate_config', EXPORT, vdi))
    await plugin.ok('sr_detach', EXPORT)
    expect(await plugin.runDocument(config)).toMatchObject({ params_nbd: expect.stringContaining(uuid) as string })
    await plugin.runDocument(config.replaceAll('vdi_attach_from_config', 'vdi_detach_from_config'))
    await plugin.ok('vdi_delete', EXPORT, vdi)
    await plugin.ok('sr_delete', EXPORT)
  })
})
