import { describe, expect, test } from 'vitest'
import { ensureDaemon } from '../../../lib/iscsi/daemon.ts'
import { discover } from '../../../lib/iscsi/discovery.ts'
import { allSessions, hasSession, knownPortals, login, logout } from '../../../lib/iscsi/sessions.ts'
import { ScriptedHost } from './support.ts'

const IQN = 'iqn.2026-01.org.example:t1'
const PORTAL = { address: '10.0.0.1', port: 3260 }
const NODE = `iscsiadm -m node -p 10.0.0.1:3260 -T ${IQN}`
const ACCOUNT = { user: 'user', password: 'top secret' }

describe('discovery', () => {
  const portals = ['10.0.0.1:3260,1 iqn.x:a', '[fe80::1]:3261,2 iqn.x:b', '10.0.0.1:3260,1 iqn.x:a', 'noise', ''].join(
    '\n',
  )

  test('answers each portal of each target once, in the order of the target', async () => {
    const host = await ScriptedHost.make({ '-m discovery': portals })
    expect(await discover(host.iscsiadm, { portal: PORTAL })).toEqual([
      { address: '10.0.0.1', port: 3260, group: 1, iqn: 'iqn.x:a' },
      { address: 'fe80::1', port: 3261, group: 2, iqn: 'iqn.x:b' },
    ])
    expect(await discover(host.iscsiadm, { portal: PORTAL, iqn: 'iqn.x:b' })).toHaveLength(1)
    expect(host.takeChanges()[0]).toBe('iscsiadm -m discovery -t st -p 10.0.0.1:3260 -I default')
  })

  test("goes through an administrator's interfaces, and to IPv6 addresses in brackets", async () => {
    const host = await ScriptedHost.make({
      '-m iface': 'default tcp,<empty>\nc_one tcp,eth0\nc_two a b\nc_three tcp,eth1\n',
    })
    await discover(host.iscsiadm, { portal: { address: 'fe80::1', port: 3260 } })
    expect(host.takeChanges()).toEqual(['iscsiadm -m discovery -t st -p [fe80::1]:3260 -I c_one -I c_three'])
  })

  test('with CHAP has a record of its own, and nobody sees the password', async () => {
    const host = await ScriptedHost.make({ '--discover': portals })
    expect(await discover(host.iscsiadm, { portal: PORTAL, account: ACCOUNT })).toHaveLength(2)
    const where = 'iscsiadm -m discoverydb -t st -p 10.0.0.1:3260 -I default'
    const set = (name: string, value: string) => `-n discovery.sendtargets.auth.${name} -v ${value}`
    const values = [set('authmethod', 'CHAP'), set('username', 'user'), set('password', 'top secret')].join(' ')
    expect(host.takeChanges()).toEqual([`${where} -o new`, `${where} -o update ${values}`, `${where} --discover`])
    expect(host.shown.join('\n')).not.toContain('secret')
  })

  test('that fails is a login that fails (68), without its command line', async () => {
    const host = await ScriptedHost.make({ '-o update': [24, 'refused'] })
    await expect(discover(host.iscsiadm, { portal: PORTAL, account: ACCOUNT })).rejects.toMatchObject({
      code: 68,
      detail: 'rc: 24, stdout: , stderr: refused',
    })
  })

  test('leaves the records of the disk that the host was booted from as they were', async () => {
    const host = await ScriptedHost.make({ '-m discovery': portals })
    await host.write('/sys/firmware/ibft/target0/target-name', 'iqn.x:boot\n')
    await host.write('/var/lib/iscsi/nodes/iqn.x:boot/record', 'settings')
    const nodes = '/var/lib/iscsi/nodes/iqn.x:boot'
    const copy = '/var/lib/iscsi/nodes-of-iqn.x:boot'
    await discover(host.iscsiadm, { portal: PORTAL })
    expect(host.takeChanges()).toEqual([
      `rm -rf ${copy}`,
      `cp -a ${nodes} ${copy}`,
      'iscsiadm -m discovery -t st -p 10.0.0.1:3260 -I default',
      `rm -rf ${nodes}`,
    ])
    expect(await host.read(`${nodes}/record`)).toBe('settings')
    await expect(host.read(`${copy}/record`)).rejects.toThrow('ENOENT')
  })
})

describe('a login', () => {
  const withoutChap =
    'node.session.auth.authmethod = None\nnode.session.auth.username = <empty>\nnode.session.auth.username_in = <empty>\n'
  const settings = (timeout: number) => `${withoutChap}node.session.timeo.replacement_timeout = ${timeout}\n`
  const target = { ...PORTAL, iqn: IQN }

  test('without CHAP where there was none changes the timeout only', async () => {
    const host = await ScriptedHost.make({ ' -S': settings(120) })
    await login(host.iscsiadm, target, { credentials: {}, multipath: false })
    expect(host.takeChanges()).toEqual([
      `iscsiadm -m node -T ${IQN} --op update -n node.session.timeo.replacement_timeout -v 144`,
      `${NODE} -l`,
    ])
  })

  test('without CHAP where there was some forgets it, whatever the tool says to that', async () => {
    const host = await ScriptedHost.make({
      ' -S': 'node.session.auth.authmethod = CHAP\n',
      'auth.password_in': [7, 'no'],
    })
    await login(host.iscsiadm, target, { credentials: {}, multipath: false })
    const cleared = host.takeChanges().filter(line => line.includes('auth'))
    expect(cleared.map(line => line.split(' ').slice(-3).join(' '))).toEqual([
      'node.session.auth.authmethod -v None',
      'node.session.auth.username -v ',
      'node.session.auth.password -v ',
      'node.session.auth.username_in -v ',
      'node.session.auth.password_in -v ',
    ])
  })

  test.each([
    [true, 120, '15'],
    [true, 144, '15'],
    [true, 15, undefined],
    [true, 86_400, undefined],
    [false, 15, '144'],
    [false, 144, undefined],
    [false, 60, undefined],
  ])('with multipath %s and a timeout of %i sets %s', async (multipath, current, wanted) => {
    const host = await ScriptedHost.make({ ' -S': settings(current) })
    await login(host.iscsiadm, target, { credentials: {}, multipath })
    const [change] = host.takeChanges().filter(line => line.includes('replacement'))
    expect(change?.split(' ').at(-1)).toBe(wanted)
  })

  test('with mutual CHAP sets one value after the other, and nobody sees a password', async () => {
    const host = await ScriptedHost.make({ ' -S': settings(144) })
    const incoming = { user: 'target', password: 'hidden too' }
    await login(host.iscsiadm, target, { credentials: { outgoing: ACCOUNT, incoming }, multipath: false })
    expect(host.takeChanges().map(line => line.replace(`${NODE} `, ''))).toEqual([
      '--op update -n node.session.auth.authmethod -v CHAP',
      '--op update -n node.session.auth.username -v user',
      '--op update -n node.session.auth.password -v top secret',
      '--op update -n node.session.auth.username_in -v target',
      '--op update -n node.session.auth.password_in -v hidden too',
      '-l',
    ])
    expect(host.shown.join('\n')).not.toMatch(/secret|hidden/)
  })

  test('with CHAP one way asks no proof of the target that it was asked for once', async () => {
    const once = 'node.session.auth.username_in = target\nnode.session.auth.password_in = hidden\n'
    const host = await ScriptedHost.make({ ' -S': once, 'auth.username_in': [7, 'no'] })
    await login(host.iscsiadm, target, { credentials: { outgoing: ACCOUNT }, multipath: false })
    const changes = host.takeChanges().filter(line => line.includes('_in'))
    expect(changes.map(line => line.replace(`${NODE} `, ''))).toEqual([
      '--op update -n node.session.auth.username_in -v ',
      '--op update -n node.session.auth.password_in -v ',
    ])
  })

  test.each([
    ['-l', [24, 'authorization failure'], 68],
    ['auth.password', [7, 'no record'], 202],
  ] as const)('where "%s" fails', async (pattern, reply, code) => {
    const host = await ScriptedHost.make({ ' -S': settings(144) })
    host.answer(pattern, reply)
    const attempt = login(host.iscsiadm, target, { credentials: { outgoing: ACCOUNT }, multipath: false })
    await expect(attempt).rejects.toMatchObject({ code })
    await attempt.catch((error: unknown) => {
      expect(String(error)).not.toContain('secret')
    })
  })

  test('where there is a session already is none', async () => {
    const host = await ScriptedHost.make({ ' -l': [15, 'session exists'] })
    await login(host.iscsiadm, target, { credentials: {}, multipath: false })
  })
})

describe('sessions', () => {
  const listed = [
    'tcp: [1] 10.0.0.10:3260,1 iqn.2026-01.org.example:t1 (non-flash)',
    'tcp: [2] [fe80::1]:3260,1 iqn.2026-01.org.example:t2 (non-flash)',
    'iser: [3] 10.0.0.1:3260,1 iqn.2026-01.org.example:t3 (non-flash)',
  ].join('\n')

  test('are those over TCP', async () => {
    const host = await ScriptedHost.make({ '-m session': `${listed}\n` })
    expect((await allSessions(host.iscsiadm)).map(({ address, iqn }) => [address, iqn.slice(-2)])).toEqual([
      ['10.0.0.10', 't1'],
      ['fe80::1', 't2'],
    ])
  })

  /** A session as the kernel shows it. */
  const showSession = async (host: ScriptedHost, number: number, address: string, driver = 'iscsi_tcp') => {
    await host.write(`/sys/class/scsi_host/host${number}/proc_name`, `${driver}\n`)
    const session = `/sys/class/iscsi_host/host${number}/device/session${number}`
    const connection = `${session}/connection${number}:0/iscsi_connection/connection${number}:0`
    await host.write(`${session}/iscsi_session/session${number}/targetname`, `${IQN}\n`)
    await host.write(`${connection}/persistent_address`, `${address}\n`)
    await host.write(`${connection}/persistent_port`, '3260\n')
  }

  test('are told apart by their whole address', async () => {
    const host = await ScriptedHost.make()
    await showSession(host, 10, '10.0.0.10')
    await showSession(host, 1, '10.0.0.1', 'qla4xxx')
    expect(await hasSession(host.deps, IQN)).toBe(true)
    expect(await hasSession(host.deps, `${IQN}0`)).toBe(false)
    expect(await hasSession(host.deps, IQN, { address: '10.0.0.10', port: 3260 })).toBe(true)
    expect(await hasSession(host.deps, IQN, PORTAL)).toBe(false)
  })

  test('are none where the tool lists none, or the daemon does not run', async () => {
    const host = await ScriptedHost.make({ '-m session': [21, 'No active sessions.'] })
    expect(await allSessions(host.iscsiadm)).toEqual([])
    await showSession(host, 10, '10.0.0.10')
    host.answer('pidof', [1, ''])
    expect(await hasSession(host.deps, IQN)).toBe(false)
  })

  test('known portals are of the target alone; no records are no error', async () => {
    const host = await ScriptedHost.make({ '-m node': `10.0.0.1:3260,1 ${IQN}\n10.0.0.1:3260,1 ${IQN}0\n` })
    expect(await knownPortals(host.iscsiadm, IQN)).toHaveLength(1)
    host.answer('-m node', [21, 'No records found'])
    expect(await knownPortals(host.iscsiadm, IQN)).toEqual([])
  })

  test('that cannot be ended are 69', async () => {
    const host = await ScriptedHost.make({ ' -u': [2, 'busy'] })
    await expect(logout(host.iscsiadm, IQN)).rejects.toMatchObject({ code: 69 })
  })
})

describe('the daemon', () => {
  const NAME = '/etc/iscsi/initiatorname.iscsi'

  test('that runs under the right name is left alone', async () => {
    const host = await ScriptedHost.make()
    await host.write(NAME, '# InitiatorName=iqn.x:commented\nInitiatorName=iqn.x:host\n')
    await ensureDaemon(host.iscsiadm, 'iqn.x:host')
    expect(host.takeChanges()).toEqual([])
  })

  test('that has sessions under another name is not renamed (70)', async () => {
    const host = await ScriptedHost.make({ '-m session': `tcp: [1] 10.0.0.1:3260,1 ${IQN} (non-flash)` })
    await host.write(NAME, 'InitiatorName=iqn.x:other\n')
    await expect(ensureDaemon(host.iscsiadm, 'iqn.x:host')).rejects.toMatchObject({ code: 70 })
    expect(await host.read(NAME)).toBe('InitiatorName=iqn.x:other\n')
  })

  test('that does not run is started under the name, and knows no targets of before', async () => {
    const host = await ScriptedHost.make({ pidof: [1, ''] })
    await host.write('/etc/iscsi/nodes/iqn.x:old/record', '')
    const start = ensureDaemon(host.iscsiadm, 'iqn.x:host')
    while (!host.commands.includes('iscsid')) await new Promise(resolve => setTimeout(resolve, 1))
    host.answer('pidof', '1')
    await start
    expect(await host.read(NAME)).toMatch(/^InitiatorName=iqn.x:host\nInitiatorAlias=.{1,30}\n$/)
    expect(host.takeChanges()).toEqual(['rm -rf /etc/iscsi/nodes /etc/iscsi/send_targets', 'iscsid'])
  })

  test('that has died keeps the records of targets that the kernel is connected to, and of the boot disk', async () => {
    const session = `tcp: [1] 10.0.0.1:3260,1 ${IQN} (non-flash)`
    const host = await ScriptedHost.make({ pidof: [1, ''], '-m session': session })
    for (const iqn of [IQN, 'iqn.x:boot', 'iqn.x:old']) await host.write(`/etc/iscsi/nodes/${iqn}/record`, 'password')
    await host.write('/sys/firmware/ibft/target0/target-name', 'iqn.x:boot\n')
    const start = ensureDaemon(host.iscsiadm, 'iqn.x:host')
    while (!host.commands.includes('iscsid')) await new Promise(resolve => setTimeout(resolve, 1))
    host.answer('pidof', '1')
    await start
    for (const iqn of [IQN, 'iqn.x:boot']) expect(await host.read(`/etc/iscsi/nodes/${iqn}/record`)).toBe('password')
    await expect(host.read('/etc/iscsi/nodes/iqn.x:old/record')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test.each([
    ['systemd', '/usr/bin/systemctl is-active iscsid.service'],
    ['its processes', 'pidof iscsid'],
  ])('is asked for by %s', async (way, command) => {
    const host = await ScriptedHost.make()
    await host.write(NAME, 'InitiatorName=iqn.x:host\n')
    if (way === 'systemd') {
      await host.write('/run/systemd/system/.keep', '')
      await host.write('/usr/bin/systemctl', '')
    }
    await ensureDaemon(host.iscsiadm, 'iqn.x:host')
    expect(host.commands[0]).toBe(command)
  })
})
