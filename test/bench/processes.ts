import { openBox } from '../support/lvhdBox.ts'

/** Processes that LVHDSR starts for each command, which on a host with LVM is where its time goes. Counted on the model of LVM. */
export async function benchProcesses(): Promise<void> {
  for (const allocation of ['thick', 'thin'] as const) {
    const { world, lvm } = await openBox({ allocation })
    const count = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
      lvm.fake.takeCommands()
      const result = await act()
      const programs = lvm.fake.takeCommands()
      console.log(`${allocation}  ${what.padEnd(14)} ${String(programs.length).padStart(3)}  ${programs.join(' ')}`)
      return result
    }
    try {
      const disk = await count('vdi_create', () => world.createVdi('disk', 8))
      await world.write(disk, 1, 0, 2)
      const snapshot = await count('vdi_snapshot', () => world.snapshot(disk))
      const clone = await count('vdi_clone', () => world.clone(disk))
      await world.write(disk, 2, 1, 2)
      await count('vdi_revert', () => world.revert(snapshot))
      await count('vdi_resize', () => world.call('VDI.resize', disk.ref, String(16 * 1024 * 1024)))
      await count('vdi_delete', () => world.call('VDI.destroy', clone.ref))
      await count('sr_scan', () => world.plugin('sr_scan', undefined))
    } finally {
      await world.close()
    }
  }
}
