import { runHostPlugin } from '../drivers/hostPlugin.ts'
import { onSlaveFunctions } from '../drivers/onSlave.ts'

void runHostPlugin('on-slave', onSlaveFunctions)
