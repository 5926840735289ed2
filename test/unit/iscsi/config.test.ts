import { describe, expect, test } from 'vitest'
import { multiSessionText, parseMultihomeList, parseMultiSession, readConfig } from '../../../lib/iscsi/config.ts'
import { SessionUsers, targetsUsedBy } from '../../../lib/iscsi/SessionUsers.ts'
import { lunList, targetList } from '../../../drivers/iscsi/documents.ts'
import { ScriptedHost } from './support.ts'

const sources = {
  hostConfig: () => Promise.resolve({ iscsi_iqn: 'iqn.2026-01.org.example:host' }),
  secret: (uuid: string) =>
    uuid === 'good' ? Promise.resolve('from the database') : Promise.reject(new Error('none')),
  multipath: false,
}
const target = '127.0.0.1'

describe('a device_config for iSCSI', () => {
  test('has defaults', async () => {
    expect(await readConfig({ target, targetIQN: 'iqn.x:t' }, sources)).toEqual({
      targetList: target,
      address: target,
      port: 3260,
      iqn: 'iqn.x:t',
      localIqn: 'iqn.2026-01.org.example:host',
      credentials: { outgoing: undefined, incoming: undefined },
      multihomed: false,
      multihomeList: [],
      multiSession: [],
    })
  })

  test.each([
    ['no target', {}, 95],
    ['an empty target', { target: '' }, 95],
    ['a name that nobody knows', { target: 'name.invalid' }, 140],
    ['a secret that is gone', { target, chapuser: 'u', chappassword_secret: 'gone', port: 'x' }, 20],
    ['a port that is no number', { target, port: 'abc' }, 142],
    ['port 0', { target, port: '0' }, 142],
    ['a port too large', { target, port: '65536' }, 142],
  ])('with %s', async (_what, config, code) => {
    await expect(readConfig(config as unknown as Record<string, string>, sources)).rejects.toMatchObject({ code })
  })

  test('needs a name for this host before the target is looked up (97)', async () => {
    const nameless = { ...sources, hostConfig: () => Promise.resolve({}) }
    await expect(readConfig({ target: 'name.invalid' }, nameless)).rejects.toMatchObject({ code: 97 })
    const own = await readConfig({ target, localIQN: 'iqn.x:own' }, nameless)
    expect(own.localIqn).toBe('iqn.x:own')
  })

  test.each(['', 'iqn.x', '../../etc', '-o', 'iqn.x:a b', 'iqn.x:a/b'])(
    'takes no target name from %j',
    async targetIQN => {
      const { iqn } = await readConfig({ target, targetIQN }, sources)
      expect(iqn).toBe(targetIQN === 'iqn.x' ? 'iqn.x' : undefined)
    },
  )

  test('uses CHAP where there is a user and a password, a secret before the password', async () => {
    const { credentials } = await readConfig(
      {
        target,
        chapuser: 'u',
        chappassword: 'p',
        chappassword_secret: 'good',
        incoming_chapuser: 'in',
        incoming_chappassword: 'pin',
      },
      sources,
    )
    expect(credentials).toEqual({
      outgoing: { user: 'u', password: 'from the database' },
      incoming: { user: 'in', password: 'pin' },
    })
    expect((await readConfig({ target, chapuser: 'u' }, sources)).credentials.outgoing).toBeUndefined()
  })

  test('is multihomed as multipathing is, unless it says otherwise', async () => {
    const multihomed = async (config: Record<string, string>, multipath: boolean) =>
      (await readConfig({ target, ...config }, { ...sources, multipath })).multihomed
    expect(await multihomed({}, true)).toBe(true)
    expect(await multihomed({}, false)).toBe(false)
    expect(await multihomed({ multihomed: 'true' }, false)).toBe(true)
    expect(await multihomed({ multihomed: 'yes' }, true)).toBe(false)
  })

  test('lists portals and sessions in the form of the record', () => {
    expect(parseMultihomeList('10.0.0.1:3260,[fe80::1]:3261,,x')).toEqual([
      { address: '10.0.0.1', port: 3260 },
      { address: 'fe80::1', port: 3261 },
    ])
    const text = '10.0.0.1,3260,iqn.x:a|10.0.0.2,3260,iqn.x:b|'
    expect(multiSessionText(parseMultiSession(text))).toBe(text)
    expect(parseMultiSession('10.0.0.1,3260,../x|junk|')).toEqual([])
  })
})

describe('the documents of the dialogue', () => {
  const config = { targetList: 'a,b', port: 3261 } as Parameters<typeof targetList>[1]

  test('list targets, other ports too, and last all of them', () => {
    const portals = [
      { address: '10.0.0.1', port: 3260, group: 1, iqn: 'iqn.x:t' },
      { address: 'fe80::1', port: 3270, group: 1, iqn: 'iqn.x:t' },
    ]
    expect(
      targetList(portals, config)
        .split('\n')
        .map(line => line.trim()),
    ).toEqual([
      '<?xml version="1.0" ?>',
      '<iscsi-target-iqns>',
      ...['<TGT>', '<Index>0</Index>', '<IPAddress>10.0.0.1</IPAddress>', '<TargetIQN>iqn.x:t</TargetIQN>', '</TGT>'],
      ...['<TGT>', '<Index>1</Index>', '<IPAddress>[fe80::1]</IPAddress>', '<Port>3270</Port>'],
      ...['<TargetIQN>iqn.x:t</TargetIQN>', '</TGT>', '<TGT>', '<Index>2</Index>', '<IPAddress>a,b</IPAddress>'],
      ...['<Port>3261</Port>', '<TargetIQN>*</TargetIQN>', '</TGT>', '</iscsi-target-iqns>', ''],
    ])
  })

  test('list LUNs without what is not known of them', () => {
    const lun = { vendor: 'LIO-ORG', serial: '', number: 0, size: 0, scsiId: '3600' }
    expect(lunList([])).toBe('<?xml version="1.0" ?>\n<iscsi-target/>\n')
    expect(lunList([lun])).toBe(
      '<?xml version="1.0" ?>\n<iscsi-target>\n\t<LUN>\n\t\t<vendor>LIO-ORG</vendor>\n\t\t<LUNid>0</LUNid>\n' +
        '\t\t<SCSIid>3600</SCSIid>\n\t</LUN>\n</iscsi-target>\n',
    )
  })
})

describe('the users of a target', () => {
  test('count once each; the file goes with the last', async () => {
    const host = await ScriptedHost.make()
    const { system, paths } = host
    const deps = { system, paths }
    const users = new SessionUsers(deps, 'iqn.x:t')
    for (const user of ['one', 'two', 'one']) await users.add(user)
    expect(await host.read('run/sr-ref/iqn.x:t')).toBe('one\ntwo\n')
    expect(await targetsUsedBy(deps, 'two')).toEqual(['iqn.x:t'])
    expect(await users.remove('one')).toBe(1)
    expect(await users.remove('one')).toBe(1)
    expect(await users.remove('two')).toBe(0)
    expect(await users.remove('two')).toBe(0)
    expect(await targetsUsedBy(deps, 'two')).toEqual([])
    await expect(host.read('run/sr-ref/iqn.x:t')).rejects.toThrow('ENOENT')
  })
})
