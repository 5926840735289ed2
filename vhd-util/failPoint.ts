import type { Tool } from './Command.ts'
import { Failed } from './failure.ts'

const EINVAL = 22

/**
 * The reference's test points: `VHD_UTIL_TEST_FAIL_<NAME>` in the environment makes the command fail where the library
 * announces NAME (spec vhd 7.6, 9.4). Only the presence of the variable counts.
 */
export function failPoint({ env }: Pick<Tool, 'env'>): (name: string) => void {
  return name => {
    const variable = `VHD_UTIL_TEST_FAIL_${name}`
    if (env[variable] !== undefined) throw new Failed(EINVAL, `Failing at ${variable}\n`)
  }
}
