import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import path from 'node:path'
import { deserialize, serialize } from 'node:v8'
import type { Answer, Question } from '../protocol.ts'
import { errorRecord } from '../protocol.ts'
import { callObject } from './objects.ts'
import { runScript } from './runScript.ts'

const EXCHANGE = '/exchange'
const POLL_MS = 10

/** Serves the host, which asks one numbered question after the other through files; ends when it is told to. */
async function serve(): Promise<void> {
  announce('ready', Buffer.alloc(0))
  for (let number = 1; ; number += 1) {
    const file = path.join(EXCHANGE, `question-${number}`)
    while (!existsSync(file)) await sleep(POLL_MS)
    const question = deserialize(readFileSync(file)) as Question
    rmSync(file)
    if (question.kind === 'halt') return
    // Not awaited: a slow question holds up none of the others.
    void answer(question).then(result => {
      announce(`answer-${number}`, serialize(result))
    })
  }
}

async function answer(question: Exclude<Question, { kind: 'halt' }>): Promise<Answer> {
  try {
    const value = question.kind === 'run' ? await runScript(question) : await callObject(question)
    return { value }
  } catch (error) {
    return { error: errorRecord(error) }
  }
}

/** Under a temporary name first: whoever sees the file sees all of it. */
function announce(name: string, content: Buffer): void {
  const file = path.join(EXCHANGE, name)
  writeFileSync(`${file}.new`, content)
  renameSync(`${file}.new`, file)
}

void serve().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
