import { runHostPlugin } from '../drivers/hostPlugin.ts'
import { trimFunctions } from '../drivers/lvhd/trimPlugin.ts'

void runHostPlugin('trim', trimFunctions)
