import type { Disk } from '../support/World.ts'
import { Pool } from '../lab/Pool.ts'
import type { Report } from './Report.ts'

interface Story {
  readonly pool: Pool
  readonly report: Report
  readonly disk: Disk
  readonly snapshot: Disk
  /** What a guest reads of each state, SHA-256. */
  readonly before: string
  readonly after: string
}

/** Two hosts, one LUN: reverts on the master beside, against and without the other host, and proves what each of them reads. */
export async function poolScenes(report: Report): Promise<void> {
  report.heading('Two hosts and an iSCSI target, each a Linux of its own')
  const pool = await report.step('three machines, SR.create, PBD.plug', () => Pool.start())
  try {
    await pool.there('sr_attach')
    const story = await history(pool, report)
    await beside(story)
    await against(story)
    await interrupted(story)
    await inherited(story)
  } finally {
    await pool.close()
  }
}

async function history(pool: Pool, report: Report): Promise<Story> {
  const { world } = pool
  const disk = await report.step('VDI.create', () => world.createVdi('disk', 8))
  await world.write(disk, 0x41, 0, 2)
  const snapshot = await report.step('VDI.snapshot', () => world.snapshot(disk))
  await world.write(disk, 0x42, 1, 3)
  const [before, after] = [(await world.content(snapshot.uuid)).sha256, (await world.content(disk.uuid)).sha256]
  report.prove('the disk has gone on since', { 'other content': before !== after })
  return { pool, report, disk, snapshot, before, after }
}

async function beside({ pool, report, disk, snapshot, before, after }: Story): Promise<void> {
  const { world } = pool
  report.heading('Host two uses a clone while host one reverts the disk')
  const clone = await report.step('VDI.clone', () => world.clone(disk))
  await report.step('host two opens the clone', () => pool.thereOk(clone, 'vdi_attach', 'vdi_activate'))
  await report.step('host one: VDI.revert', () => world.revert(snapshot))
  await report.step('host two opens the disk', () => pool.thereOk(disk, 'vdi_attach', 'vdi_activate'))
  report.prove('host two reads', {
    'the clone as it was': (await pool.readThere(clone)) === after,
    'the reverted disk': (await pool.readThere(disk)) === before,
  })
  await pool.thereOk(clone, 'vdi_deactivate', 'vdi_detach')
}

async function against({ pool, report, disk, snapshot }: Story): Promise<void> {
  const { world } = pool
  report.heading('The disk is open on host two')
  const failure = await report.step('host one: VDI.revert', () => world.failure('VDI.revert', snapshot.ref))
  report.prove('the revert is refused', { VDI_IN_USE: failure.includes('VDI_IN_USE') })
  await pool.thereOk(disk, 'vdi_deactivate', 'vdi_detach')
  await world.write(disk, 0x43, 0, 1)
}

async function interrupted({ pool, report, disk, snapshot }: Story): Promise<void> {
  report.heading('Host one dies in the middle of a revert')
  await pool.world.start('LVM_revert_after_commit')
  await report.step('host one: VDI.revert, killed', () => pool.world.failure('VDI.revert', snapshot.ref))
  await pool.world.start()
  const answer = await pool.there('vdi_activate', disk, { args: ['true'] })
  report.prove('host two does not open half a revert', { refused: 'fault' in answer && answer.fault.code === 46 })
}

async function inherited({ pool, report, disk, snapshot, before }: Story): Promise<void> {
  await report.step('power cut of host one; host two is the master', () => pool.succeed())
  const { world } = pool
  await report.step('host two: SR.scan', () => world.scan())
  const contents = [await world.content(disk.uuid), await world.content(snapshot.uuid)]
  report.prove('host two has', {
    'the reverted disk': contents[0]?.sha256 === before,
    'its snapshot': contents[1]?.sha256 === before,
    'the same uuid': (await world.record(disk)).uuid === disk.uuid,
  })
  await world.write(disk, 0x44, 0, 1)
  await report.step('host two: VDI.revert', () => world.revert(snapshot))
  report.prove('and reverts by itself', { content: (await world.content(disk.uuid)).sha256 === before })
}
