import { describeLab } from './lab.ts'
import { describeMultipath, LUN_ID } from './multipath.ts'

describeLab('a LUN over two adapters', () => {
  describeMultipath({
    plugin: 'LVHDoHBASR',
    type: 'lvmohba',
    deviceConfig: {},
    start: `
      scsi_host 5000000000000001 0
      scsi_host 5000000000000002 0
      within 20 test -e /dev/disk/by-scsid/${LUN_ID}/sda
      within 20 test -e /dev/disk/by-scsid/${LUN_ID}/sdb`,
  })
})
