import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Context } from '../../../drivers/Context.ts'
import { dispatch } from '../../../drivers/dispatch.ts'
import { LunSR } from '../../../drivers/lun/LunSR.ts'
import { makeContext } from '../../../drivers/makeContext.ts'
import { METADATA_VOLUME } from '../../../lib/lvhd/names.ts'
import type { CommandName } from '../../../lib/smapi/commands.ts'
import { decodeRequest } from '../../../lib/smapi/Request.ts'
import { SmError } from '../../../lib/smapi/SmError.ts'
import { encodeMethodCall } from '../../../lib/smapi/xmlrpc.ts'
import { openBox, type Box } from '../../support/lvhdBox.ts'
import type { Disk } from '../../support/World.ts'

/** What happened, in order: uses of the transport, and the programs that ran. */
let events: string[] = []
let failing: ReadonlySet<string> = new Set()

/** A transport that says what is asked of it. */
class NotedSR extends LunSR {
  protected override loadTarget(): Promise<void> {
    return note('look')
  }

  override connect(holder: string): Promise<void> {
    return note(holder === this.uuid ? 'connect' : 'connect another')
  }

  override disconnect(holder: string): Promise<void> {
    return note(holder === this.uuid ? 'disconnect' : 'disconnect another')
  }

  protected override reconnect(): Promise<void> {
    return note('reconnect')
  }

  protected override afterDelete(): Promise<void> {
    return note('forget')
  }

  /** Fails where volumes are mapped already. */
  override async refreshDevices(): Promise<void> {
    await super.refreshDevices()
    if (!failing.has('late')) return
    await this.group.activate([METADATA_VOLUME])
    await note('late')
  }
}

function note(what: string): Promise<void> {
  events.push(what)
  return failing.has(what) ? Promise.reject(new SmError('ISCSILogin', what)) : Promise.resolve()
}

describe('an SR on a LUN', () => {
  let box: Box
  let disk: Disk
  beforeAll(async () => {
    box = await openBox({ onLun: true })
    disk = await box.world.createVdi('disk', 4)
  })
  afterAll(async () => {
    await box.world.close()
  })
  beforeEach(() => {
    events = []
    failing = new Set()
  })

  const run = async (command: CommandName, vdi?: Disk) => {
    const { world, lvm } = box
    const args = command === 'sr_create' ? ['0'] : command === 'vdi_attach' ? ['true'] : []
    const request = decodeRequest(encodeMethodCall(command, [await world.request(command, vdi, { args })]))
    const saved = { ...process.env }
    Object.assign(process.env, { SM_ROOT: world.paths.root, SM_XAPI_URL: world.url, SM_LOG: 'none' })
    const { context, close } = makeContext(request, lvm.system())
    process.env = saved
    try {
      return await answer(context, command)
    } finally {
      await close()
    }
  }
  const answer = async (context: Context, command: CommandName) => {
    const system: Context['system'] = {
      ...context.system,
      run: (argv, options) => {
        events.push(argv.filter(word => !word.startsWith('devices{')).join(' '))
        return context.system.run(argv, options)
      },
    }
    const sr = new NotedSR({ ...context, system })
    await sr.load()
    return dispatch(sr, command, context.request)
  }
  const transport = () => events.filter(event => /^(look|connect|disconnect|reconnect|forget)( another)?$/.test(event))

  test('commands on an attached SR neither look for the LUN nor connect', async () => {
    await run('vdi_attach', disk)
    await run('vdi_detach', disk)
    expect(transport()).toEqual([])
  })

  test('is connected before its group is used and disconnected after its volumes are closed', async () => {
    await run('sr_attach')
    expect(transport()).toEqual(['look', 'connect'])
    expect(events.findIndex(event => event.startsWith('lvm fullreport'))).toBeGreaterThan(events.indexOf('connect'))
    events = []
    await run('sr_detach')
    expect(transport()).toEqual(['look', 'disconnect'])
    const closed = events.findLastIndex(event => event.startsWith('dmsetup remove'))
    expect(closed).not.toBe(-1)
    expect(closed).toBeLessThan(events.indexOf('disconnect'))
    await run('sr_attach')
  })

  test('a connection that fails is undone, and its failure is the one that is reported', async () => {
    await run('sr_detach')
    events = []
    failing = new Set(['connect', 'disconnect'])
    await expect(run('sr_attach')).rejects.toMatchObject({ code: 68, detail: 'connect' })
    expect(transport()).toEqual(['look', 'connect', 'disconnect'])
    failing = new Set()
    await run('sr_attach')
  })

  test('an attach that fails late closes the volumes before it disconnects', async () => {
    await run('sr_detach')
    events = []
    failing = new Set(['late'])
    await expect(run('sr_attach')).rejects.toMatchObject({ code: 68, detail: 'late' })
    expect(transport()).toEqual(['look', 'connect', 'disconnect'])
    const closed = events.findLastIndex(event => event.startsWith('dmsetup remove'))
    expect(closed).toBeGreaterThan(events.indexOf('late'))
    expect(closed).toBeLessThan(events.indexOf('disconnect'))
    failing = new Set()
    await run('sr_attach')
  })

  test('a second attach that fails leaves what the first one has brought here', async () => {
    failing = new Set(['connect'])
    await expect(run('sr_attach')).rejects.toMatchObject({ code: 68, detail: 'connect' })
    expect(transport()).toEqual(['look', 'connect'])
  })

  test('a look at the LUN is on behalf of nobody, and ends in every case', async () => {
    expect(await run('sr_probe')).toBe('<?xml version="1.0" ?>\n<SRlist/>\n')
    expect(transport()).toEqual(['look', 'connect another', 'disconnect another'])
    events = []
    failing = new Set(['connect another'])
    await expect(run('sr_probe')).rejects.toMatchObject({ code: 68 })
    expect(transport()).toEqual(['look', 'connect another', 'disconnect another'])
  })

  test('a scan first brings back what was lost of the connection', async () => {
    await run('sr_scan')
    expect(transport()).toEqual(['look', 'reconnect'])
  })

  test('a deletion that is refused ends the connection all the same, and leaves the LUN', async () => {
    await expect(run('sr_delete')).rejects.toMatchObject({ code: 39 })
    expect(transport()).toEqual(['look', 'disconnect'])
    await run('sr_attach')
  })

  test('LVM is told to look at the one path alone', async () => {
    await run('sr_scan')
    const calls = box.lvm.fake.commands.filter(([program]) => program === 'lvm')
    const config = calls.at(-1)?.find(word => word.includes('devices{')) ?? ''
    expect(config).toMatch(/filter=\["a\|\^\S*\/dev\/disk\/by-id\/scsi-\w+\$\|",.*"r\|\.\*\|"\]\}$/)
  })
})
