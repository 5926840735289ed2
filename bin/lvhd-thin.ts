import { runHostPlugin } from '../drivers/hostPlugin.ts'
import { thinFunctions } from '../drivers/lvhd/thinPlugin.ts'

void runHostPlugin('lvhd-thin', thinFunctions)
