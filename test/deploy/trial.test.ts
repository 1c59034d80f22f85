import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type ExecutionContext } from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { startApp } from '../helpers/start-app.ts'
import { Bench } from './bash.ts'

const root = join(import.meta.dirname, '../..')

/** Runs what it is given with the environment files that it is given, in the background unless its output is wanted. */
const systemdRun = `
  for word; do
    case $word in
      --property=EnvironmentFile=*) set -a; source "\${word#*EnvironmentFile=}"; set +a ;;
      --property=RuntimeDirectory=*) mkdir -p trial ;;
      --pipe) foreground=1 ;;
      --*) ;;
      *) break ;;
    esac
    shift
  done
  [[ -z \${foreground-} ]] || exec "$@"
  "$@" >words 2>&1 &
  echo $! >trial-pid`

const systemctl = `
  case "$* " in
    'is-active --quiet tgdepot-web.service ') [[ -S web.sock ]] ;;
    is-active*) kill -0 "$(cat trial-pid)" ;;
    stop*) [[ ! -e trial-pid ]] || kill "$(cat trial-pid)"; rm -f trial-pid ;;
  esac`

/** A machine on which a release serves a link, and a copy of it that is to follow, with a change in one file. */
async function tryChange(
  t: ExecutionContext,
  file: string,
  change: (text: string) => string,
  isOlder = false,
) {
  const bench = await Bench.open()
  t.teardown(() => bench[Symbol.asyncDispose]())
  const release = join(bench.dir, 'opt/releases/next')
  await mkdir(release, { recursive: true })
  await cp(join(root, 'app'), join(release, 'app'), { recursive: true })
  await cp(join(root, 'package.json'), join(release, 'package.json'))
  await symlink(join(root, 'node_modules'), join(release, 'node_modules'))
  const text = await readFile(join(release, file), 'utf8')
  t.not(change(text), text)
  await writeFile(join(release, file), change(text))
  await using api = await startBotApi()
  const env = {
    STORAGE_PATH: join(bench.dir, 'data/store'),
    DATABASE_URL: `sqlite:${join(bench.dir, 'data/db/tgdepot.sqlite')}`,
    SERVER_SOCKET: join(bench.dir, 'web.sock'),
    X_ACCEL_PREFIX: '/_files/',
  }
  await using _app = await startApp({ api, env })
  await linkFor(api, await api.sendFile({ kind: 'document', name: 'a.bin' }))
  if (isOlder) {
    using database = new DatabaseSync(join(bench.dir, 'data/db/tgdepot.sqlite'), { timeout: 5000 })
    database.exec("DELETE FROM migrations WHERE name = 'upkeep-3'")
  }
  await bench.fake('systemd-run', systemdRun)
  await bench.fake('systemctl', systemctl)
  await bench.fake('journalctl', 'cat words')
  return await bench.run(`WEB_SOCKET=$PWD/web.sock RELEASE=next; ANSWERS[TGDEPOT_DOMAIN]=depot.test; echo >"$SECRETS/ADMIN_TOKEN"
    TRIAL_SOCKET=$PWD/trial/web.sock TRIAL_SECONDS=8; try_web_role; echo passed; ls -A etc`)
}

const body = (start: string, statement: string) => (text: string) => {
  const at = text.indexOf('{\n', text.indexOf(start)) + 2
  return `${text.slice(0, at)}  ${statement}\n${text.slice(at)}`
}
const withoutLinks = (text: string) => text.replace('prefix === undefined ? []', 'prefix !== undefined ? []')

test.serial(
  'a web role that answers as the old one does passes, and nothing of the trial stays',
  async (t) => {
    const outcome = await tryChange(t, 'app/roles/web.ts', (text) => `${text}// changed\n`)
    t.like(outcome, { status: 0, stdout: 'passed\nsecrets\n' }, outcome.stderr)
  },
)

test.serial('the one that serves, with the settings that it has, is not tried again', async (t) => {
  await using bench = await Bench.open()
  await bench.fake('systemd-run', 'echo tried; exit 1')
  await bench.fake('systemctl', 'true')
  const { stdout, stderr } = await bench.run(`
    perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "web.sock", Listen => 1) or die'
    WEB_SOCKET=$PWD/web.sock RELEASE=same; ANSWERS[TGDEPOT_DOMAIN]=depot.test
    mkdir -p opt/releases/{same,other}; ln -s releases/same opt/current; write_settings >"$ETC/tgdepot.env"
    runs_present_role() { [[ $1 == tgdepot-web.service && ! -e runs-another ]]; }
    try_web_role; echo "$NOTE"
    start_trial() { echo tried; exit 0; }
    (RELEASE=other; try_web_role)
    (touch runs-another; try_web_role); rm runs-another
    (echo '# more' >>"$ETC/tgdepot.env"; ANSWERS[TGDEPOT_DOMAIN]=new.test; try_web_role)`)
  t.is(stdout, 'it runs already\ntried\ntried\ntried\n', stderr)
})

test.serial('one that does not start ends the upgrade, with its last words', async (t) => {
  const broken = body('function startWeb', `throw new Error('this release is broken')`)
  const { status, stderr } = await tryChange(t, 'app/roles/web.ts', broken)
  t.is(status, 1)
  t.regex(
    stderr,
    /this release is broken[\s\S]*the web role of release next does not answer .*; nothing was changed/,
  )
})

test.serial('one that hangs ends it as well', async (t) => {
  const hang = body('function startWeb', 'await new Promise(() => setInterval(() => {}, 1000))')
  const { status, stderr } = await tryChange(t, 'app/roles/web.ts', hang)
  t.is(status, 1)
  t.regex(stderr, /the web role of release next does not answer/)
})

test.serial('one that knows no link any more ends it, too', async (t) => {
  const { status, stderr } = await tryChange(t, 'app/features/download/web.ts', withoutLinks)
  t.is(status, 1)
  t.regex(stderr, /answers \/download\/ with 404 instead of 200; nothing was changed/)
})

test.serial(
  'where the database is to be changed first, nothing more is asked of it than that it answers',
  async (t) => {
    const outcome = await tryChange(t, 'app/features/download/web.ts', withoutLinks, true)
    t.like(outcome, { status: 0 }, outcome.stderr)
  },
)

test('a name that the bot’s user has made up is not asked for', async (t) => {
  await using bench = await Bench.open()
  const uuid = '0123abcd-0000-4000-8000-0123456789ab'
  const { stdout } = await bench.run(
    `mkdir -p "$DATA/store/[1"; touch "$DATA/store/[1/[1-999999999]"; mkdir "$DATA/store/ab"
    touch "$DATA/store/ab/[1-999999999]"; some_link; touch "$DATA/store/ab/${uuid}"; some_link`,
  )
  t.is(stdout, `/download/none\n/download/${uuid}\n`)
})
