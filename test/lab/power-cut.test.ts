import { describePowerCuts } from './powerCut.ts'

describePowerCuts({ type: 'ext', diskMib: 64, grownMib: 264, keepBelow: 0 })
