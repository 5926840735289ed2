// Bundles the executables of bin/ into dist/. A plugin is two files: what starts and knows the wire, and the driver, which
// is loaded when a command needs it. koffi stays outside: it loads its own native library.
import { chmod, mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const inRoot = (...names) => path.join(root, ...names)
const scriptsIn = async folder => (await readdir(folder)).filter(name => name.endsWith('.ts'))
const stem = name => name.replace(/\.ts$/, '')

const programs = await scriptsIn(inRoot('bin'))
const outputs = new Map([
  ...programs.map(name => [inRoot('bin', name), stem(name)]),
  ...(await scriptsIn(inRoot('bin', 'drivers'))).map(name => [inRoot('bin', 'drivers', name), `${stem(name)}.driver`]),
  ...['demo', 'bench', 'lab'].map(name => [inRoot('test', name, 'main.ts'), name]),
  ...['agent', 'link', 'recorder'].map(name => [inRoot('test', 'lab', name, 'main.ts'), `lab-${name}`]),
])

/** Keeps a driver out of its plugin's first file. */
const driversApart = {
  name: 'drivers-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/drivers\// }, ({ path: name, kind }) =>
      kind === 'dynamic-import' ? { path: `./${stem(path.basename(name))}.driver.cjs`, external: true } : undefined,
    )
  },
}

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
  plugins: [driversApart],
}

await mkdir(inRoot('dist'), { recursive: true })
await Promise.all(
  [...outputs].map(([source, output]) =>
    build({ ...options, entryPoints: [source], outfile: inRoot('dist', `${output}.cjs`) }),
  ),
)
for (const name of programs) await chmod(inRoot('bin', stem(name)), 0o755)
