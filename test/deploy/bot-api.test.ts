import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Bench } from './bash.ts'

// Stands in for runuser: the rest of the command line, as whoever runs the test.
const asMyself = 'while [[ $1 != -- ]]; do shift; done; shift; exec "$@"'
const git = `echo "git $*" >>"$BENCH/calls"
  [[ $* != *"rev-parse HEAD"* ]] || cat "$BENCH/head"
  [[ $* != "init --quiet source" ]] || mkdir -p source/.git`
const source = `install() { if [[ $1 == -d ]]; then mkdir -p "\${@: -1}"; else command install "$@"; fi; }
  export BENCH=$PWD; echo "$BOT_API_COMMIT" >head; `

test('the compiler fits the memory', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run('for mb in 500 1999 2000 4999 5000 64000; do choose_compiler $mb; done')
  t.deepEqual(stdout.trim().split('\n'), ['split', 'split', 'clang', 'clang', 'gcc', 'gcc'])
})

test('so many compilers run at a time as fit, at least one, at most one for each processor', async (t) => {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(
    'choose_jobs gcc 5000 8; choose_jobs gcc 64000 8; choose_jobs clang 4500 4; choose_jobs split 500 4',
  )
  t.deepEqual(stdout.trim().split('\n'), ['1', '8', '2', '1'])
})

test('exactly the pinned commit is fetched, once', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('runuser', asMyself)
  await bench.fake('git', git)
  const { status, stderr } = await bench.run(`${source} fetch_source; echo -- >>"$BENCH/calls"; fetch_source`)
  t.is(status, 0, stderr)
  const [first, second] = (await readFile(join(bench.dir, 'calls'), 'utf8')).split('--\n')
  t.regex(first ?? '', /fetch --depth 1 https:\/\/github\.com\/tdlib\/telegram-bot-api\.git [0-9a-f]{40}\n/)
  t.regex(first ?? '', /submodule update --init --recursive/)
  t.is(second, '')
})

test('a source that is not the pinned commit is not built', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('runuser', asMyself)
  await bench.fake('git', git)
  const { status, stderr } = await bench.run(`${source} echo 0000 >head; fetch_source`)
  t.is(status, 1)
  t.regex(stderr, /not the pinned commit/)
})

test('the build shows its percentage, compiles with clang where it was chosen, and its program is kept by commit', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('runuser', asMyself)
  await bench.fake(
    'cmake',
    `echo "cmake $* CC=\${CC-} CXXFLAGS=\${CXXFLAGS-}" >>"$BENCH/calls"
    [[ $* == *telegram-bot-api* ]] || exit 0
    for i in 1 2 3 50 51 100; do printf '[%3d%%] Building\\n' $i; done
    mkdir -p build && echo program >build/telegram-bot-api`,
  )
  const { status, stderr } = await bench.run(`${source} mkdir -p build; run_build clang 2
    keep_bot_api build/build/telegram-bot-api "\${BOT_API_COMMIT:0:12}"`)
  t.is(status, 0, stderr)
  t.deepEqual(stderr.match(/\d+%/g), ['1%', '50%', '100%'])
  const calls = await readFile(join(bench.dir, 'calls'), 'utf8')
  t.regex(calls, /CMAKE_BUILD_TYPE=Release.* CC=clang CXXFLAGS=-stdlib=libc\+\+/)
  t.regex(calls, /--target telegram-bot-api --parallel 2/)
  t.is(await readFile(join(bench.dir, 'opt/bot-api/fa6706fc8f6e/telegram-bot-api'), 'utf8'), 'program\n')
})

test('with little memory the sources are split once, so that a resumed build goes on', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('runuser', asMyself)
  await bench.fake('php', 'echo "php $*" >>"$BENCH/calls"')
  await bench.fake(
    'cmake',
    '[[ $* != *telegram-bot-api* || -e $BENCH/fixed ]] || { echo "internal compiler error"; exit 2; }',
  )
  const { stdout, stderr } = await bench.run(`${source} mkdir -p build/source/td
    (run_build split 1) || echo "failed with $?"
    touch fixed; run_build split 1; cat "$BENCH/calls"`)
  t.is(stdout, 'failed with 1\nphp SplitSource.php\n', stderr)
  t.regex(stderr, /internal compiler error/)
})
