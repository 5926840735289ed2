import { writeTo } from '../lib/os/output.ts'
import { makeSystem } from '../lib/os/system.ts'
import { main } from '../vhd-util/main.ts'

void main(process.argv.slice(2), {
  system: makeSystem(),
  out: data => writeTo(process.stdout, data),
  err: text => writeTo(process.stderr, text),
  env: process.env,
}).then(code => {
  process.exitCode = code
})
