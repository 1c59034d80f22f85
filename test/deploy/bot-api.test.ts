import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Bench } from './bash.ts'

/** A bench whose builder is whoever runs the test, and whose git, cmake and php only write down what they are told. */
async function openBuild(): Promise<Bench> {
  const bench = await Bench.open()
  const note = (name: string) => `echo "${name} $* CC=\${CC-} CXXFLAGS=\${CXXFLAGS-}" >>"$BENCH/calls"`
  await bench.fake('systemctl', 'true')
  await bench.fake(
    'systemd-run',
    'while [[ $1 != -- ]]; do shift; done; shift; mkdir -p "$BUILD"; cd "$BUILD" && exec "$@"',
  )
  await bench.fake('php', note('php'))
  await bench.fake(
    'git',
    `${note('git')}
    [[ $* != "-C source rev-parse HEAD" ]] || cat "$BENCH/head"
    [[ $* != "-C source/td rev-parse HEAD" ]] || cat "$BENCH/td-head"
    [[ $* != "init --quiet source" ]] || mkdir -p source/td`,
  )
  await bench.fake(
    'cmake',
    `${note('cmake')}
    [[ $* == *telegram-bot-api* ]] || exit 0
    [[ ! -e $BENCH/broken ]] || { echo "internal compiler error"; exit 2; }
    for i in 1 2 3 50 51 100; do printf '[%3d%%] Building\n' $i; done
    mkdir -p build && echo program >build/telegram-bot-api`,
  )
  return bench
}

const build = `export BENCH=$PWD BUILD; echo "$BOT_API_COMMIT" >head; echo "$TDLIB_COMMIT" >td-head; RELEASE=one; ln -s "$SOURCE" "$OPT/releases/one"
  memory_mb() { echo "\${MEMORY-8000}"; }; add_swap() { :; }; install_packages() { :; }
  build() { build_bot_api "\${BOT_API_COMMIT:0:12}"; }
  `

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
  await using bench = await openBuild()
  const { status, stderr } = await bench.run(
    `${build} touch broken; (build) || mv calls first; (build) || true`,
  )
  t.is(status, 0, stderr)
  const first = await readFile(join(bench.dir, 'first'), 'utf8')
  t.regex(first, /fetch --depth 1 https:\/\/github\.com\/tdlib\/telegram-bot-api\.git [0-9a-f]{40} /)
  t.regex(first, /submodule update --init --recursive/)
  t.notRegex(await readFile(join(bench.dir, 'calls'), 'utf8'), /^git/m)
})

test('a source that is not the pinned commit is not built, and not asked where its submodule comes from', async (t) => {
  await using bench = await openBuild()
  const { status, stderr } = await bench.run(`${build} echo 0000 >head; build`)
  t.is(status, 1)
  t.regex(stderr, /the source in source is 0000, not the pinned commit e3e9dd8e/)
  t.notRegex(await readFile(join(bench.dir, 'calls'), 'utf8'), /^cmake|submodule/m)
})

test('a TDLib that is not the pinned commit is not built, and is fetched anew by the next run', async (t) => {
  await using bench = await openBuild()
  const { stdout, stderr } = await bench.run(`${build} echo 0000 >td-head; (build) || echo "failed with $?"
    echo "$TDLIB_COMMIT" >td-head; mv calls first; build; grep -c 'submodule update' calls`)
  t.is(stdout, 'failed with 1\n1\n', stderr)
  t.regex(stderr, /the source in source\/td is 0000, not the pinned commit bc9c263e/)
  t.notRegex(await readFile(join(bench.dir, 'first'), 'utf8'), /^cmake/m)
})

test('the build shows its percentage, compiles with clang where it was chosen, and its program is kept by commit', async (t) => {
  await using bench = await openBuild()
  const { status, stderr } = await bench.run(`${build} MEMORY=4000 build`)
  t.is(status, 0, stderr)
  t.deepEqual(stderr.match(/\d+%/g), ['1%', '50%', '100%'])
  const calls = await readFile(join(bench.dir, 'calls'), 'utf8')
  t.regex(calls, /CMAKE_BUILD_TYPE=Release.* CC=clang CXXFLAGS=-stdlib=libc\+\+/)
  t.regex(calls, /--target telegram-bot-api --parallel \d/)
  t.is(await readFile(join(bench.dir, 'opt/bot-api/e3e9dd8e5b3d/telegram-bot-api'), 'utf8'), 'program\n')
})

test('with little memory the sources are split once, so that a resumed build goes on', async (t) => {
  await using bench = await openBuild()
  const { stdout, stderr } = await bench.run(`${build} MEMORY=1000; touch broken
    (build) || echo "failed with $?"
    rm broken; build; grep -c ^php calls`)
  t.is(stdout, 'failed with 1\n1\n', stderr)
  t.regex(stderr, /internal compiler error/)
})

test('a build that fills the disk says so', async (t) => {
  await using bench = await openBuild()
  await bench.fake('cmake', 'echo "fatal error: error writing to x.o: No space left on device"; exit 1')
  const { status, stderr } = await bench.run(`${build} build`)
  t.is(status, 1)
  t.regex(stderr, /a disk is full: the Bot API server could not be built/)
})
