import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { until } from '../helpers/until.ts'
import { Bench } from './bash.ts'
import { Terminal } from './terminal.ts'

const read = (bench: Bench, name: string) => readFile(join(bench.dir, name), 'utf8').catch(() => '')

/** A run that shows a line, waits until the file `go` is there, and shows more, among it what a program prints. */
const long = `take_turn; trap 'end_output $?' EXIT; trap 'exit 130' INT; outlive_terminal
  say "begun \${TERMINAL}"; warn 'a note'
  until [[ -e go ]]; do sleep 0.05; done
  say 'half way'; sh -c 'echo "from a program"; echo "and its error" >&2'; warn 'another note'
  sleep 1; say 'done'; exit "\${STATUS-0}"`

const go = (bench: Bench) => writeFile(join(bench.dir, 'go'), '')

test('a run goes on to its end when its terminal is gone, and another terminal shows all of it', async (t) => {
  await using bench = await Bench.open()
  await using first = await Terminal.open(bench, long)
  await first.see(/begun 1[\s\S]*a note/)
  await first.hangUp()
  const watching = bench.run('attach')
  await using second = await Terminal.open(bench, 'attach')
  await second.see(/begun 1[\s\S]*a note/)
  await go(bench)
  t.is(await second.ended(), 0, second.shown)
  const { status, stdout } = await watching
  t.is(status, 0)
  for (const shown of [stdout, second.shown])
    t.regex(
      shown,
      /begun 1[\s\S]*a note[\s\S]*half way[\s\S]*from a program[\s\S]*and its error[\s\S]*another note[\s\S]*done/,
    )
})

test('its outcome is that of who watches it', async (t) => {
  await using bench = await Bench.open()
  await using first = await Terminal.open(bench, long, { STATUS: '3' })
  await first.see(/begun/)
  await first.hangUp()
  const watching = bench.run('attach')
  await go(bench)
  t.is((await watching).status, 3)
  t.is((await bench.run('attach')).status, 3, 'afterwards too')
  t.regex((await bench.run('attach')).stdout, /done\n$/)
})

test('a pipe that nobody reads any more ends nothing', async (t) => {
  await using bench = await Bench.open()
  const ended = bench.run(`(${long}) | head -n 1`)
  await until('the run to begin', async () => /begun 0/.test(await read(bench, 'run/output')))
  await go(bench)
  t.is((await ended).stdout, 'begun 0\n')
  t.regex(await read(bench, 'run/output'), /half way[\s\S]*done\n$/)
})

test('output and errors stay apart where they are no terminal, and nothing of them is missing at the end', async (t) => {
  await using bench = await Bench.open()
  await go(bench)
  const { stdout, stderr } = await bench.run(long)
  t.is(stdout, 'begun 0\nhalf way\nfrom a program\ndone\n')
  t.is(stderr, 'note     a note\nand its error\nnote     another note\n')
})

test('Ctrl-C ends a run, and what it says then is shown', async (t) => {
  await using bench = await Bench.open()
  const script = long.replace("'end_output $?'", `'say "stopped with $?"; end_output 130'`)
  await using terminal = await Terminal.open(bench, script)
  await terminal.see(/begun/)
  terminal.type('\x03')
  await terminal.see(/stopped with 130/)
  await terminal.ended()
  t.is((await read(bench, 'run/status')).trim(), '130')
})

test('the same command again shows the run that goes on, waits for its end, and has its turn', async (t) => {
  await using bench = await Bench.open()
  const first = bench.run(long)
  await until('the run to begin', async () => /begun/.test(await read(bench, 'run/output')))
  await using second = await Terminal.open(bench, `take_turn; say 'my turn'`)
  await second.see(/is still running[\s\S]*begun/)
  await go(bench)
  await first
  await second.see(/done[\s\S]*my turn/)
  t.is(await second.ended(), 0)
})

test('who watches a run that was killed hears so', async (t) => {
  await using bench = await Bench.open()
  const killed = bench.run(`${long.split('until')[0]} kill -9 $$; sleep 9`)
  await until('the run to begin', async () => /begun/.test(await read(bench, 'run/output')))
  await killed
  const { status, stderr } = await bench.run('attach')
  t.is(status, 1)
  t.regex(stderr, /did not come to an end: run install\.sh again/)
})

test('a run that a signal ended is no success for who watches it', async (t) => {
  await using bench = await Bench.open()
  // Without its last line, install.sh only defines what it does.
  const { stderr } = await bench.run(`eval "$(sed '/^SOURCE=/d; $d' "$SOURCE/install.sh")"
    take_turn; trap 'end_run $?' EXIT; outlive_terminal; STEP='Release'; kill -TERM $$; sleep 9`)
  t.regex(stderr, /stopped at "Release"; it can be run again from here/)
  t.is((await bench.run('attach')).status, 143)
})

test('with no run to watch, that is said', async (t) => {
  await using bench = await Bench.open()
  t.regex((await bench.run('attach')).stderr, /no install\.sh has run/)
})
