import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Bundles `serve.ts` for a process of its own, where packages are found. The caller removes the file. */
export async function bundleServe(): Promise<string> {
  const bundle = fileURLToPath(new URL(`./.serve-${process.pid}.mjs`, import.meta.url))
  const entryPoints = [fileURLToPath(new URL('./serve.ts', import.meta.url))]
  const format = { platform: 'node', format: 'esm', packages: 'external' } as const
  await build({ entryPoints, outfile: bundle, bundle: true, ...format })
  return bundle
}
