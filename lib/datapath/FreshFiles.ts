import { Files } from '../os/files.ts'
import type { OpenFile } from '../os/OpenFile.ts'

/**
 * Files of a disk that is opened, whose volumes another host may have changed since this one last saw them: nothing that
 * is left of them in this host's cache is read. That goes with the last who closes a volume, but a parent may be open in
 * the server of another disk (spec datapath 13).
 */
export class FreshFiles extends Files {
  override async openRead(filePath: string): Promise<OpenFile> {
    return withoutCache(await super.openRead(filePath))
  }

  override async openWrite(filePath: string): Promise<OpenFile> {
    return withoutCache(await super.openWrite(filePath))
  }
}

async function withoutCache(file: OpenFile): Promise<OpenFile> {
  try {
    await file.dropCache()
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}
