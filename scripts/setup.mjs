// Makes a bare checkout ready: installs the npm packages when they are missing or outdated, then builds. With --lab also
// the Debian packages of the test lab, with --browser those of the tests in a browser, with --clients those of tests with other
// people's NBD clients, where that is possible.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { browserPackages, clientPackages, isDebian12, missingPackages } from './lab-packages.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const installed = path.join(root, 'node_modules', '.package-lock.json')
const lock = path.join(root, 'package-lock.json')

/** Exit code of a command. What it writes is seen. */
function attempt(command, args, env = {}) {
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } }
  const { status, error } = spawnSync(command, args, options)
  if (error !== undefined) throw error
  return status ?? 1
}

function run(command, args) {
  const status = attempt(command, args)
  if (status !== 0) process.exit(status)
}

/**
 * Where this cannot be done, or fails (a mirror that does not answer), all else goes on: the tests that need the packages
 * skip themselves and say what they miss, and fail where CI is set.
 */
async function install(what, packages) {
  if (packages.length === 0 || process.geteuid?.() !== 0 || !isDebian12()) return
  console.log(`${what}: installing ${packages.join(' ')}`)
  const apt = (...args) =>
    attempt('apt-get', ['-qq', '--option', 'DPkg::Lock::Timeout=300', ...args], { DEBIAN_FRONTEND: 'noninteractive' })
  const add = () => apt('install', '--yes', '--no-install-recommends', ...packages)
  if (apt('update') === 0 && (await withoutServices(add)) === 0) return
  console.error(`${what}: the packages could not be installed: ${packages.join(' ')}`)
}

/**
 * Runs an installation that starts no service: the lab runs those of its packages (NFS, iSCSI, multipath) in guests, and they have
 * no business with the disks and ports of this machine. A policy that the machine has of its own stands.
 */
async function withoutServices(installation) {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return installation()
  const stop = () => process.exit(130)
  process.once('SIGINT', stop).once('SIGTERM', stop)
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return installation()
  } finally {
    rmSync(policy)
    // A signal that came meanwhile is told now.
    await new Promise(resolve => setImmediate(resolve))
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}
if (process.argv.includes('--lab')) await install('lab', missingPackages())
if (process.argv.includes('--browser')) await install('browser', missingPackages(browserPackages))
if (process.argv.includes('--clients')) await install('clients', missingPackages(clientPackages))
run(process.execPath, [path.join(root, 'scripts', 'build.mjs')])
