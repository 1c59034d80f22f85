import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureCrowd } from './crowd.ts'
import { type Findings, render } from './figures.ts'
import { measureLinkLatency } from './link-latency.ts'
import { describeMachine } from './machine.ts'
import { measureMemory } from './memory.ts'
import { measureOneConnection } from './one-connection.ts'
import type { Bench, Part } from './part.ts'
import { childrenOf, findProgram } from './programs.ts'
import { measureRanges } from './ranges.ts'
import { measureScale } from './scale.ts'

const parts: Part[] = [
  { name: 'link-latency', needs: [], measure: measureLinkLatency },
  { name: 'one-connection', needs: ['nginx', 'curl', 'openssl'], measure: measureOneConnection },
  { name: 'ranges', needs: ['nginx', 'wrk', 'curl'], measure: measureRanges },
  { name: 'memory', needs: ['curl'], measure: measureMemory },
  { name: 'crowd', needs: [], measure: measureCrowd },
  { name: 'scale', needs: [], measure: measureScale },
]

function chosenParts(names: string[]): Part[] {
  const unknown = names.filter((name) => !parts.some((part) => part.name === name))
  if (unknown.length > 0) {
    console.error(
      `No such part: ${unknown.join(', ')}. There are ${parts.map(({ name }) => name).join(', ')}.`,
    )
    process.exit(2)
  }
  return parts.filter(({ name }) => names.length === 0 || names.includes(name))
}

async function measure(part: Part, bench: Bench): Promise<Findings | { skipped: string }> {
  const missing = part.needs.filter((program) => findProgram(program) === undefined)
  console.log(`\n## ${part.name}\n`)
  if (missing.length > 0) {
    const skipped = `not installed: ${missing.join(', ')}`
    console.log(`LEFT OUT, ${skipped}`)
    return { skipped }
  }
  const findings = await part.measure({ ...bench, say: (text) => bench.say(`${part.name}: ${text}`) })
  console.log(findings.method, `\n\n${render(findings.table)}\n`)
  for (const conclusion of findings.conclusions) console.log(conclusion)
  return findings
}

async function run(names: string[], quick: boolean): Promise<void> {
  const chosen = chosenParts(names)
  const folder = await mkdtemp(join(tmpdir(), 'tgdepot-bench-'))
  const interrupted = () => {
    for (const child of childrenOf(process.pid)) process.kill(child)
    rm(folder, { recursive: true, force: true }).finally(() => process.exit(130))
  }
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  const bench: Bench = {
    folder,
    quick,
    rounds: quick ? 3 : 5,
    seconds: quick ? 2 : 5,
    say: (text) => console.error(`… ${text}`),
  }
  try {
    const machine = await describeMachine(folder)
    console.log(`tgdepot bench: medians of ${bench.rounds} interleaved rounds${quick ? ' (--quick)' : ''}\n`)
    for (const [name, value] of Object.entries(machine)) console.log(`${name.padEnd(8)}  ${value}`)
    const results: Record<string, unknown> = {}
    for (const part of chosen) results[part.name] = await measure(part, bench)
    const file = join(tmpdir(), `tgdepot-bench-${new Date().toISOString().replaceAll(':', '')}.json`)
    await writeFile(file, `${JSON.stringify({ machine, rounds: bench.rounds, results }, undefined, 2)}\n`)
    console.log(`\nRaw figures: ${file}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false } },
  allowPositionals: true,
})
await run(positionals, values.quick)
