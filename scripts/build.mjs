// Bundles every executable of bin/ into dist/, one file each. koffi stays outside: it loads its own native library.
import { chmod, mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const entries = (await readdir(path.join(root, 'bin'))).filter(name => name.endsWith('.ts'))
const scripts = ['demo', 'bench'].map(name => path.join(root, 'test', name, 'main.ts'))

await rm(path.join(root, 'dist'), { recursive: true, force: true })
await mkdir(path.join(root, 'dist'))

const options = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  external: ['koffi'],
  // require() of koffi is quicker than import() by some milliseconds, and it is on the path of every lock.
  supported: { 'dynamic-import': false },
  absWorkingDir: root,
  // CommonJS has no import.meta; what little asks for it gets the bundle's own place.
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
}

await Promise.all([
  ...entries.map(name =>
    build({
      ...options,
      entryPoints: [path.join(root, 'bin', name)],
      outfile: path.join(root, 'dist', name.replace(/\.ts$/, '.cjs')),
    }),
  ),
  ...scripts.map(file =>
    build({ ...options, entryPoints: [file], outfile: path.join(root, 'dist', `${path.basename(path.dirname(file))}.cjs`) }),
  ),
])

for (const name of entries) await chmod(path.join(root, 'bin', name.replace(/\.ts$/, '')), 0o755)
