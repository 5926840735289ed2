import { isOpen } from '../drivers/datapath/isOpen.ts'
import { runHostPlugin } from '../drivers/hostPlugin.ts'

void runHostPlugin('on-slave', { is_open: isOpen })
