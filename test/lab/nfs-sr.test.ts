import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Guest } from './Guest.ts'
import { describeLab, sharedGuest } from './lab.ts'
import { Plugin } from './Plugin.ts'

const SR = '4f500000-0000-4000-8000-000000000001'
const EXPORT = { server: '127.0.0.1', serverpath: '/export' }

describeLab('NFSSR', () => {
  let guest: Guest
  let plugin: Plugin
  beforeAll(async () => {
    guest = await sharedGuest()
    await guest.run('mountpoint -q /srv/nfs || nfs_server 300M')
    plugin = await Plugin.start(guest, { plugin: 'NFSSR', srUuid: SR })
  })
  afterEach(async () => {
    await guest.run(`
      if mountpoint -q ${plugin.mountPoint}; then umount ${plugin.mountPoint}; fi
      mount -o remount,rw /srv/nfs
      rm -rf /srv/nfs/export/*`)
  })
  afterAll(async () => {
    await plugin.close()
  })

  const mountOptions = () => guest.run(`findmnt -n -o FSTYPE,SOURCE,OPTIONS ${plugin.mountPoint} || true`)

  test.each([
    ['3', 'nfs ', 'vers=3'],
    ['4', 'nfs4', 'vers=4.2'],
    ['4.1', 'nfs4', 'vers=4.1'],
  ])('an SR lives and dies on an export of version %s', async (nfsversion, type, version) => {
    const config = { ...EXPORT, nfsversion }
    await plugin.create(config)
    expect(await guest.run(`ls /srv/nfs/export; findmnt ${plugin.mountPoint} || true`)).toBe(`${SR}\n`)
    await plugin.create(config)
    await plugin.ok('sr_attach', config)
    const mounted = await mountOptions()
    for (const part of [
      type,
      `127.0.0.1:/export/${SR}`,
      version,
      'soft',
      'acdirmin=0',
      'acdirmax=0',
      'timeo=200',
      'retrans=4',
    ])
      expect(mounted).toContain(part)
    expect(await guest.run(`ls /srv/nfs/export/${SR}; cat ${plugin.mountPoint}/sm-hardlink.conf`)).toBe(
      'sm-hardlink.conf\n1',
    )
    expect((await plugin.fault('sr_create', config)).code).toBe(75)
    await plugin.ok('sr_detach', config)
    await plugin.ok('sr_detach', config)
    expect(await guest.run(`ls ${plugin.mountPoint} 2>&1 || true`)).toContain('No such file')
    expect((await plugin.fault('sr_create', config)).code).toBe(42)
    expect(await plugin.probe(config)).toBe(
      `<?xml version="1.0" ?>\n<SRlist>\n\t<SR>\n\t\t<UUID>${SR}</UUID>\n\t</SR>\n</SRlist>\n`,
    )
    await guest.run(`touch /srv/nfs/export/${SR}/.nfs0000000000000001 /srv/nfs/export/${SR}/filelog.txt`)
    await plugin.ok('sr_delete', config)
    expect(await guest.run('ls -A /srv/nfs/export')).toBe('')
  })

  test('with nosubdir the exported directory itself is the SR, and stays', async () => {
    const whole = await Plugin.start(guest, { plugin: 'NFSSR', srUuid: SR, smConfig: { nosubdir: 'true' } })
    await whole.create(EXPORT)
    expect(await guest.run('ls -A /srv/nfs/export')).toBe('')
    await whole.ok('sr_attach', EXPORT)
    expect(await guest.run(`findmnt -n -o SOURCE ${whole.mountPoint}; ls /srv/nfs/export`)).toMatch(
      /^127.0.0.1:\/export\/?\nsm-hardlink.conf\n$/,
    )
    await whole.ok('sr_delete', EXPORT)
    expect(await guest.run('ls -A /srv/nfs/export; test -d /srv/nfs/export')).toBe('')
    await whole.close()
  })

  test('mounts with the patience of other_config and the options of device_config', async () => {
    const otherConfig = { 'nfs-timeout': '50', 'nfs-retrans': '0' }
    const patient = await Plugin.start(guest, { plugin: 'NFSSR', srUuid: SR, otherConfig })
    const config = { ...EXPORT, options: 'nolock,rsize=65536' }
    await patient.create(config)
    await patient.ok('sr_attach', config)
    const options = await guest.run(`findmnt -n -o OPTIONS ${patient.mountPoint}`)
    for (const part of ['timeo=50', 'retrans=0', 'nolock', 'rsize=65536']) expect(options).toContain(part)
    await patient.ok('sr_delete', config)
    await patient.close()
  })

  describe('sr_probe', () => {
    test('asks for the server (102), then for a path (101) and lists the exports on stderr', async () => {
      expect((await plugin.fault('sr_probe', {})).code).toBe(102)
      const asProcess = await Plugin.start(guest, { plugin: 'NFSSR', srUuid: SR, asProcess: true })
      const fault = await asProcess.fault('sr_probe', { server: EXPORT.server })
      await asProcess.close()
      expect(fault.code).toBe(101)
      expect(fault.stderr).toBe(
        '<?xml version="1.0" ?>\n<nfs-exports>\n\t<Export>\n\t\t<Target>127.0.0.1</Target>\n\t\t<Path>/export</Path>\n\t\t<Accesslist>*</Accesslist>\n\t</Export>\n</nfs-exports>\n\n',
      )
    })

    test('finds nothing on an empty export, and on demand says which versions there are', async () => {
      expect(await plugin.probe(EXPORT)).toBe('<?xml version="1.0" ?>\n<SRlist/>\n')
      expect(await plugin.probe({ ...EXPORT, probeversion: '' })).toBe(
        '<?xml version="1.0" ?>\n<SRlist>\n\t<SupportedVersions>\n\t\t<Version>3</Version>\n\t\t<Version>4</Version>\n\t</SupportedVersions>\n</SRlist>\n',
      )
      expect(await guest.run('findmnt -t nfs,nfs4 || true')).toBe('')
    })

    test('takes no file and no other directory for an SR', async () => {
      await guest.run(`mkdir /srv/nfs/export/data; touch /srv/nfs/export/${SR}`)
      expect(await plugin.probe(EXPORT)).toContain('<SRlist/>')
    })
  })

  describe('refuses', () => {
    test.each([
      [
        'a path that is not exported',
        { serverpath: '/none' },
        73,
        'mount failed on server `127.0.0.1` with return code 110',
      ],
      ['a name that cannot be resolved', { server: 'nowhere.invalid' }, 140, ''],
      ['an unknown version', { nfsversion: '5' }, 1200, 'Invalid nfsversion.'],
      ['options in the version', { nfsversion: '4,suid' }, 1200, 'Invalid nfsversion.'],
      ['an option of mount in the server', { server: '-o' }, 1, 'device_config:server'],
      ['a second server', { server: 'a,b' }, 1, 'device_config:server'],
      ['a path that is not absolute', { serverpath: 'export' }, 1, 'device_config:serverpath'],
      ['a path that climbs', { serverpath: '/export/../..' }, 1, 'device_config:serverpath'],
      ['a line break in the path', { serverpath: '/export\n/etc' }, 1, 'device_config:serverpath'],
      ['options with blanks', { options: 'ro /etc' }, 1, 'device_config:options'],
      ['options that undo those of the SR', { options: 'acdirmax=60' }, 1, 'must not contain acdirmax'],
    ])('%s', async (_what, config, code, text) => {
      const fault = await plugin.fault('sr_create', { ...EXPORT, ...config })
      expect(fault).toMatchObject({ code })
      expect(fault.message).toContain(text)
      expect(await guest.run('ls -A /srv/nfs/export; findmnt -t nfs,nfs4 || true')).toBe('')
    })

    test('a server that is down (108)', async () => {
      await guest.run('nfs_stop')
      expect((await plugin.fault('sr_create', EXPORT)).code).toBe(108)
      await guest.run('nfs_start')
    })

    test('a version that the server does not offer (72)', async () => {
      await guest.run('nfs_stop; rpc.nfsd -N 4 2')
      expect((await plugin.fault('sr_create', { ...EXPORT, nfsversion: '4' })).code).toBe(72)
      await guest.run('nfs_stop; nfs_start')
    })

    test('an export that cannot be written to (461)', async () => {
      await plugin.create(EXPORT)
      await guest.run('mount -o remount,ro /srv/nfs')
      expect((await plugin.fault('sr_attach', EXPORT)).code).toBe(461)
      expect(await mountOptions()).toBe('')
      await guest.run('mount -o remount,rw /srv/nfs')
    })

    test('an export in which root may not make a directory (88)', async () => {
      await guest.run(
        "chmod 755 /srv/nfs/export; exportfs -o rw,root_squash,insecure,sync,no_subtree_check '*:/export'",
      )
      expect((await plugin.fault('sr_create', EXPORT)).code).toBe(88)
      await guest.run('exportfs -ra')
      expect(await mountOptions()).toBe('')
    })

    test('sr_scan of what is not attached (47), and sr_detach while a file is open (74)', async () => {
      expect((await plugin.fault('sr_scan', EXPORT)).code).toBe(47)
      await plugin.create(EXPORT)
      await plugin.ok('sr_attach', EXPORT)
      await guest.run(`sleep 300 > ${plugin.mountPoint}/open & echo $! > /tmp/holder`)
      expect((await plugin.fault('sr_detach', EXPORT)).code).toBe(74)
      await guest.run('kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder)/fd/1 ]; do sleep 0.05; done')
      await plugin.ok('sr_detach', EXPORT)
    })

    test('to delete an SR whose directory holds something that is not its own (76)', async () => {
      await plugin.create(EXPORT)
      await guest.run(`mkdir /srv/nfs/export/${SR}/theirs`)
      expect((await plugin.fault('sr_delete', EXPORT)).code).toBe(76)
      expect(await mountOptions()).toBe('')
    })
  })
})
