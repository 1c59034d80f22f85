import { spawn } from 'node:child_process'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FakeClock, hasFakeClock } from '../helpers/fake-clock.ts'
import { Bench } from './bash.ts'

const load = 'UNITS=$PWD/units; load_socket tgdepot-web.socket; echo "$CHANGED"'

/** A machine on which the socket's unit is active and a web role runs, handed the socket or not. */
async function openWith(t: ExecutionContext, env: Record<string, string>, program?: string) {
  const bench = await Bench.open()
  t.teardown(() => bench[Symbol.asyncDispose]())
  if (program !== undefined) {
    await mkdir(join(bench.dir, program, '..'))
    await copyFile('/bin/sleep', join(bench.dir, program))
  }
  const web = spawn(program === undefined ? 'sleep' : join(bench.dir, program), ['60'], {
    env: { PATH: process.env.PATH, ...env },
  })
  t.teardown(() => web.kill())
  const server = createServer().listen(join(bench.dir, 'web.sock'))
  t.teardown(() => server.close())
  await mkdir(join(bench.dir, 'units'))
  await writeFile(
    join(bench.dir, 'units/tgdepot-web.socket'),
    `[Socket]\nListenStream=${bench.dir}/web.sock\n`,
  )
  await bench.fake('systemctl', `echo "$*" >>calls; [ "$1" != show ] || echo ${web.pid}`)
  return Object.assign(bench, { calls: () => readFile(join(bench.dir, 'calls'), 'utf8') })
}

test('the web role’s socket is left alone while its unit stays as it is', async (t) => {
  const bench = await openWith(t, { LISTEN_FDS: '1' })
  t.like(await bench.run(load), { status: 0, stdout: '1\n' }, 'the first time')
  await bench.run('rm calls')
  t.like(await bench.run(load), { status: 0, stdout: '0\n' })
  t.notRegex(await bench.calls(), /restart|stop/)
})

test('the socket is left alone while systemd is about to start the web role', async (t) => {
  const bench = await openWith(t, {}, 'systemd/systemd')
  await bench.run(load)
  await bench.run('rm calls')
  t.like(await bench.run(load), { status: 0, stdout: '0\n' })
  t.notRegex(await bench.calls(), /start|stop/)
})

test('the socket is made anew after an older release, installed over this one, has put its own in that place', async (t) => {
  const bench = await openWith(t, {})
  await bench.run(load)
  await bench.run('rm calls')
  t.like(await bench.run(load), { status: 0, stdout: '1\n' })
  t.regex(
    await bench.calls(),
    /^stop tgdepot-web\.socket tgdepot-web\.service$[\s\S]*^start tgdepot-web\.socket$/m,
  )
})

test('the socket is made anew also where that older release was handed it, and took another', async (t) => {
  const bench = await openWith(t, { LISTEN_FDS: '1' })
  await bench.run(load)
  await bench.run('rm calls web.sock')
  const own = createServer().listen(join(bench.dir, 'web.sock'))
  t.teardown(() => own.close())
  t.like(await bench.run(load), { status: 0, stdout: '1\n' })
  t.regex(await bench.calls(), /^start tgdepot-web\.socket$/m)
})

test('the socket is made anew when its file is gone', async (t) => {
  const bench = await openWith(t, { LISTEN_FDS: '1' })
  await bench.run(load)
  await bench.run('rm calls web.sock')
  t.like(await bench.run(load), { status: 0, stdout: '1\n' })
  t.regex(await bench.calls(), /^start tgdepot-web\.socket$/m)
})

/** Seconds for which the final check waits, at most 20, for what never becomes healthy. */
async function patienceWith(script: string): Promise<number> {
  await using bench = await Bench.open()
  const { stdout } = await bench.run(`find_troubles() { echo trouble; }; keeps_crashing() { return 1; }
    has_way_back() { return 0; }; ask_socket() { return 7; }; DOWN_SINCE=$(steady_seconds)
    ${script}
    before=$(steady_seconds); ! wait_until_healthy 20 >/dev/null && echo $(($(steady_seconds) - before))`)
  return Number(stdout)
}

test('a release with which nobody can download is given up early, where there is one to go back to', async (t) => {
  const early = await patienceWith('')
  t.true(early >= 10 && early < 15, `${early} s`)
})

test('a release that serves downloads, or has none before it, has its whole time', async (t) => {
  const served = `ask_socket() { echo '{"parts":{"database":{"ok":true,"detail":"answers"},"queue":{"ok":false}}}'; }`
  const waits = await Promise.all([patienceWith(served), patienceWith('has_way_back() { return 1; }')])
  for (const seconds of waits) t.true(seconds >= 20, `${seconds} s`)
})

test('a release that crashes again and again is given up at once', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('systemctl', '[[ $* != *NRestarts*tgdepot-bot.service* ]] && echo 0 || echo 3')
  const { stdout } = await bench.run(`find_troubles() { echo trouble; }
    before=$(steady_seconds); ! wait_until_healthy 20 >/dev/null && echo $(($(steady_seconds) - before))`)
  t.true(stdout !== '' && Number(stdout) < 5, `${stdout} s`)
})

test('crashes of the months before are no fault of a release', async (t) => {
  await using bench = await Bench.open()
  // The web role, which goes on running, has had a long life.
  await bench.fake('systemctl', `case "$*" in *NRestarts*tgdepot-web*) echo 5 ;; *NRestarts*) echo 0 ;; esac`)
  const { stdout, stderr } = await bench.run(`UNITS=$PWD/units; mkdir units
    load_bot_api_folder() { :; }; load_fence() { :; }; load_socket() { :; }
    runs_whole_release() { :; }; service_digest() { echo same; }; run_of() { echo 1; }
    for service in "\${SERVICES[@]}"; do touch "$UNITS/$service.service"; echo same >"$STATE/$service"; done
    echo other >"$STATE/tgdepot-bot"
    looks=0; find_troubles() { [[ -e looked ]] || echo 'tgdepot-bot.service is activating'; touch looked; }
    ask_socket() { echo '{"parts":{"database":{"ok":true}}}'; }
    start_services; wait_until_healthy 20 && echo healthy`)
  t.is(stdout, 'healthy\n', stderr)
})

const byClock = hasFakeClock ? test : test.skip

byClock('the clock, set while the installer waits, does not cut its patience short', async (t) => {
  await using bench = await Bench.open()
  const clock = new FakeClock(bench.dir)
  await clock.set(0)
  const script = `keeps_crashing() { return 1; }; ask_socket() { echo '{"parts":{"database":{"ok":true}}}'; }
    find_troubles() { [[ -e looked ]] || echo trouble; touch looked; echo '+3600s' >"$FAKETIME_TIMESTAMP_FILE"; }
    wait_until_healthy 20 && echo healthy`
  const { stdout, stderr } = await bench.run(script, clock.env)
  t.is(stdout, 'healthy\n', stderr)
})

test('a part that never says that it is ready does not hold up the look at all of them', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('systemctl', 'case $1 in is-active) exit 3 ;; start) exec sleep 600 ;; esac')
  const { status, stdout } = await bench.run(
    'load_bot_api_folder() { :; }; load_fence() { :; }; UNIT_NAMES=() SERVICES=(); start_services; echo went on',
  )
  t.is(status, 0)
  t.is(stdout, 'went on\n')
})
