import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Effects } from '../../../lib/os/effects.ts'
import { Files } from '../../../lib/os/files.ts'

let directory: string
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(tmpdir(), 'sm-files-'))
})
afterEach(() => {
  fs.rmSync(directory, { recursive: true })
})

describe('a file that is replaced durably', () => {
  test('is the old one or the new one, with nothing beside it, wherever replacing fails', async () => {
    const file = path.join(directory, 'journal')
    const effects: string[] = []
    await new Files(new Effects('', (_index, kind, what) => effects.push(`${kind} ${what}`))).writeDurably(file, 'old')
    expect(effects.length).toBeGreaterThan(3)
    for (let index = 1; index <= effects.length; index += 1) {
      fs.writeFileSync(file, 'old')
      const failing = new Files(new Effects(`effect:${index}=ENOSPC`))
      await expect(failing.writeDurably(file, 'new'), effects[index - 1]).rejects.toMatchObject({ code: 'ENOSPC' })
      expect(fs.readdirSync(directory), effects[index - 1]).toEqual(['journal'])
      expect(['old', 'new']).toContain(fs.readFileSync(file, 'utf8'))
    }
  })
})
