// Makes a bare checkout ready: installs the npm packages when they are missing or outdated, then builds. With --lab also
// the Debian packages of the test lab, with --browser those of the tests in a browser, where that is possible.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { browserPackages, isDebian12, missingPackages } from './lab-packages.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const installed = path.join(root, 'node_modules', '.package-lock.json')
const lock = path.join(root, 'package-lock.json')

function run(command, args, env = {}) {
  const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } }
  const { status, error } = spawnSync(command, args, options)
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
}

/** Elsewhere the tests that need them skip themselves and say what they miss. */
function install(packages) {
  if (packages.length === 0 || process.geteuid?.() !== 0 || !isDebian12()) return
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['update', '-qq'], quiet)
  run('apt-get', ['install', '-qq', '--yes', '--no-install-recommends', ...packages], quiet)
}

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}
if (process.argv.includes('--lab')) install(missingPackages())
if (process.argv.includes('--browser')) install(missingPackages(browserPackages))
run(process.execPath, [path.join(root, 'scripts', 'build.mjs')])
