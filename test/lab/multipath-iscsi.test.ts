import { describeLab } from './lab.ts'
import { describeMultipath } from './multipath.ts'

const TARGET = 'iqn.2026-01.org.example:target'

describeLab('a LUN over two portals', () => {
  describeMultipath({
    plugin: 'LVHDoISCSISR',
    type: 'lvhdoiscsi',
    deviceConfig: { target: '10.9.0.1', targetIQN: TARGET },
    start: `
      ip addr add 10.9.0.1/32 dev lo
      ip addr add 10.9.0.2/32 dev lo
      iscsi_target ${TARGET} '10.9.0.1:3260 10.9.0.2:3260' 0
      iscsi_host`,
  })
})
