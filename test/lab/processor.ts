import { readFileSync } from 'node:fs'

/**
 * Number of the processor that all guests of this process run on. A guest does one thing at a time, but is a kernel and
 * processes that it switches between at each system call and page fault: on two processors each switch wakes one of
 * them up, which makes a guest two to four times slower than on one. Workers of the test runner are spread evenly.
 */
export function processorOfGuests(): number {
  const allowed = allowedProcessors()
  const worker = Number(process.env['VITEST_POOL_ID'] ?? process.pid)
  return allowed[worker % allowed.length] ?? 0
}

/** Those that this process may use, which need not be all. */
function allowedProcessors(): number[] {
  const [, list = '0'] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return list.split(',').flatMap(range => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_value, index) => first + index)
  })
}
