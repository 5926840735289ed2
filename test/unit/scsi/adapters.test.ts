import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { formatAddress, parseAddress } from '../../../lib/scsi/address.ts'
import { adapters, scsiHosts } from '../../../lib/scsi/adapters.ts'
import { disksOfHost } from '../../../lib/scsi/disks.ts'
import { fcHost } from './support.ts'

test('adapters are the SCSI hosts but for those of local disks and software iSCSI, by number', async () => {
  const { deps } = fcHost()
  expect(await adapters(deps)).toEqual([
    { host: 'host1', number: 1, driver: 'qla2xxx' },
    { host: 'host3', number: 3, driver: 'mptspi' },
    { host: 'host10', number: 10, driver: 'qla2xxx' },
  ])
  expect((await scsiHosts(deps)).map(({ driver }) => driver)).toContain('ahci')
})

test.each([
  [{ fnic_state: '', proc_name: 'other' }, 'fnic'],
  [{ lpfc_fcp_class: '3', fnic_state: '' }, 'lpfc'],
  [{ driver_name: 'mpt3sas', proc_name: 'other' }, 'mpt3sas'],
  [{ driver_name: '(NULL)', proc_name: 'other' }, 'other'],
  [{ proc_name: '<NULL>', uevent: 'A=b\nPHYSDEVDRIVER=megaraid\n' }, 'megaraid'],
  [{ proc_name: '' }, 'Unknown'],
])('an adapter with %j has the driver %s', async (attributes, driver) => {
  const { deps, root } = fcHost()
  const directory = path.join(root, 'sys/class/scsi_host/host7')
  mkdirSync(directory)
  for (const [name, text] of Object.entries(attributes)) writeFileSync(path.join(directory, name), `${text}\n`)
  expect((await adapters(deps)).find(({ number }) => number === 7)).toMatchObject({ driver })
})

test('a host has its own disks and not those of a host whose number begins alike', async () => {
  const { deps } = fcHost()
  const disks = async (host: number) =>
    (await disksOfHost(deps, host)).map(({ name, address }) => `${name ?? ''} ${formatAddress(address)}`)
  expect(await disks(1)).toEqual(['sdg 1:0:10:0', 'sdb 1:0:1:0', 'sdc 1:0:1:1'])
  expect(await disks(10)).toEqual(['sdd 10:0:0:0', 'sde 10:0:0:1'])
  expect(await disks(3)).toEqual([])
})

test('an address is four numbers and nothing else', () => {
  expect(parseAddress('1:0:10:4097')).toEqual({ host: 1, bus: 0, target: 10, lun: 4097 })
  for (const text of ['', '1:0:10', '1:0:10:0:0', 'host1', '1:0:x:0']) expect(parseAddress(text)).toBeUndefined()
})
