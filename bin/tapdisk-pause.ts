import { pauseFunctions } from '../drivers/datapath/pausePlugin.ts'
import { runHostPlugin } from '../drivers/hostPlugin.ts'

void runHostPlugin('tapdisk-pause', pauseFunctions)
