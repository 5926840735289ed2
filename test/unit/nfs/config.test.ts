import { describe, expect, test } from 'vitest'
import {
  mountCommand,
  optionsOf,
  patienceOf,
  serverOf,
  serverPathOf,
  versionOf,
  type NfsMount,
} from '../../../lib/nfs/config.ts'

const mount: NfsMount = { server: 'filer', version: '3', transport: 'tcp', options: '' }

describe('the mount command', () => {
  test('has the options that the SR depends on, and patience where it is given', () => {
    expect(mountCommand(mount, '/export', '/mnt')).toEqual([
      'mount.nfs',
      'filer:/export',
      '/mnt',
      '-o',
      'soft,proto=tcp,vers=3,acdirmin=0,acdirmax=0',
    ])
    const patient = mountCommand({ ...mount, options: 'nolock' }, '/export', '/mnt', { timeo: 200, retrans: 4 })
    expect(patient.at(-1)).toBe('soft,proto=tcp,vers=3,acdirmin=0,acdirmax=0,timeo=200,retrans=4,nolock')
  })

  test('puts an IPv6 address in brackets', () => {
    expect(mountCommand({ ...mount, server: 'fe80::1', transport: 'tcp6' }, '/e', '/mnt')[1]).toBe('[fe80::1]:/e')
  })
})

describe('device_config', () => {
  test.each(['filer', 'filer-1.example.org', '10.0.0.1', 'fe80::1', 'FILER_2'])('takes the server %s', server => {
    expect(serverOf({ server })).toBe(server)
  })

  test.each(['-o', 'a b', 'a:/b', 'a\nb', 'a,b', '[fe80::1]', 'a/b', '.'])('refuses the server %j', server => {
    expect(() => serverOf({ server })).toThrow(/device_config:server/)
  })

  test('needs a server (102)', () => {
    for (const config of [{}, { server: '' }])
      expect(() => serverOf(config)).toThrow(expect.objectContaining({ code: 102 }))
  })

  test('takes any absolute path of printable characters', () => {
    expect(serverPathOf({ serverpath: '/vol/with blank, comma:colon' })).toBe('/vol/with blank, comma:colon')
    expect(serverPathOf({})).toBeUndefined()
    for (const serverpath of ['vol', '/a/../b', '/a\u0000b', `/${'a'.repeat(1024)}`]) {
      expect(() => serverPathOf({ serverpath })).toThrow(/device_config:serverpath/)
    }
  })

  test.each(['3', '4', '4.0', '4.1', '4.2'])('takes version %s', nfsversion => {
    expect(versionOf({ nfsversion })).toBe(nfsversion)
  })

  test.each(['', '2', '3.1', '4.9', '4,exec', ' 4'])('refuses version %j', nfsversion => {
    expect(() => versionOf({ nfsversion })).toThrow('Invalid nfsversion.')
  })

  test('takes mount options that are some, and none that the SR needs otherwise', () => {
    expect(optionsOf({ options: 'nolock,rsize=65536,sec=krb5p' })).toBe('nolock,rsize=65536,sec=krb5p')
    for (const options of [
      'a b',
      ',',
      'a,',
      'a;b',
      'a=$(b)',
      'actimeo=60',
      'nolock,acdirmax=1',
      'vers=4',
      'proto=udp',
      'nocto',
      'acregmax=3600',
      'nolock,bg',
      'v4',
    ]) {
      expect(() => optionsOf({ options }), options).toThrow(/device_config:options/)
    }
  })
})

describe('other_config', () => {
  test('says how long a mount is patient', () => {
    const warnings: string[] = []
    const read = (config: Record<string, string>) => patienceOf(config, text => warnings.push(text))
    expect(read({})).toEqual({ timeo: 200, retrans: 4 })
    expect(read({ 'nfs-timeout': '1', 'nfs-retrans': '0' })).toEqual({ timeo: 1, retrans: 0 })
    expect(warnings).toEqual([])
    expect(read({ 'nfs-timeout': '0', 'nfs-retrans': '-1' })).toEqual({ timeo: 200, retrans: 4 })
    expect(warnings).toHaveLength(2)
    expect(() => read({ 'nfs-timeout': 'long' })).toThrow('other_config:nfs-timeout')
  })
})
