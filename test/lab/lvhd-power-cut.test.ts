import { describePowerCuts } from './powerCut.ts'

// LVM's own metadata lie below the first extent; LVM writes them directly and takes what is written to be there.
describePowerCuts({
  type: 'lvhd',
  smConfig: { allocation: 'thin' },
  diskMib: 200,
  grownMib: 16,
  keepBelow: 11 * 1024 * 1024,
})
