import { coloursFor, type Colours } from '../../cli/format/colour.ts'
import { formatDuration } from '../../cli/format/date.ts'
import { padEnd } from '../../cli/format/text.ts'

const STEP_WIDTH = 44

/** What the demo shows, and whether all it claimed was proven. */
export class Report {
  readonly colours: Colours = coloursFor(process.stdout)
  #failures = 0

  get hasFailed(): boolean {
    return this.#failures > 0
  }

  heading(text: string): void {
    this.line(`\n${this.colours.bold(text)}`)
  }

  /** Runs a step and shows what it did and how long it took. */
  async step<T>(what: string, body: () => Promise<T>, describe: (result: T) => string = () => ''): Promise<T> {
    const started = performance.now()
    const result = await body()
    const took = formatDuration(performance.now() - started)
    this.line(`  ${padEnd(what, STEP_WIDTH)} ${this.colours.dim(took.padStart(7))}  ${describe(result)}`.trimEnd())
    return result
  }

  /** One claim with all it consists of; those that do not hold are named. */
  prove(claim: string, parts: Readonly<Record<string, boolean>>): void {
    const broken = Object.entries(parts).flatMap(([name, holds]) => (holds ? [] : [name]))
    const { green, red } = this.colours
    if (broken.length > 0) this.#failures += 1
    const names = Object.keys(parts).join(', ')
    this.line(
      broken.length === 0 ? `  ${green('✓')} ${claim}: ${names}` : `  ${red('✗')} ${claim}: wrong ${broken.join(', ')}`,
    )
  }

  line(text: string): void {
    process.stdout.write(`${text}\n`)
  }
}
