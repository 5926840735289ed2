import type { Command } from 'commander'
import { connected, JSON_FLAG, makeCommand } from '../command.ts'
import type { Connection } from '../connection.ts'
import { coloursFor } from '../format/colour.ts'
import { print, printJson, remark } from '../output.ts'
import { allSrs, findSr } from '../records.ts'
import { nameOf } from '../resolve.ts'
import { isUnicodeLocale } from '../tree/render.ts'
import { drawTree, isReadable, readTree, treeJson, type SrTree } from '../tree/srTree.ts'

interface Options {
  readonly ascii?: true
  readonly json?: true
}

export function treeCommand(): Command {
  return makeCommand('tree', {
    summary: 'show how the images of a storage repository build on each other',
    description: 'A disk or snapshot reads what it does not hold itself from the images above it.',
    examples: [
      ['sm tree', 'all repositories'],
      ['sm tree my-sr', 'one of them'],
      ['sm tree my-sr --ascii', 'for terminals and mails without Unicode'],
    ],
  })
    .argument('[sr]', 'name, uuid or beginning of the uuid')
    .option('--ascii', 'draw with ASCII only; the default where the locale is not UTF-8')
    .option(...JSON_FLAG)
    .action((sr: string | undefined, options: Options) => connected(connection => showTrees(connection, sr, options)))
}

async function showTrees(connection: Connection, text: string | undefined, { ascii, json }: Options): Promise<void> {
  const trees =
    text === undefined ? await allTrees(connection) : [await readTree(connection, await findSr(connection, text))]
  if (json === true) {
    const shown = trees.map(treeJson)
    await printJson(text === undefined ? shown : shown[0])
    return
  }
  const style = { ascii: ascii ?? !isUnicodeLocale(process.env), ...coloursFor(process.stdout) }
  for (const tree of trees) await print(drawTree(tree, style))
}

/** Those that cannot be looked at are only mentioned. */
async function allTrees(connection: Connection): Promise<SrTree[]> {
  const srs = await allSrs(connection)
  if (srs.length === 0) remark('no storage repositories yet: sm sr-create NAME --location DIR')
  const trees: SrTree[] = []
  for (const sr of srs) {
    if (await isReadable(connection, sr)) trees.push(await readTree(connection, sr))
    else remark(`note: ${nameOf(sr)} is left out, it is not attached: sm pbd-plug ${sr.uuid}`)
  }
  return trees
}
