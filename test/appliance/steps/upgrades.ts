import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkout, type Depot } from '../depot.ts'
import type { Finished } from '../host.ts'
import type { Step } from '../step.ts'

const roles = ['tgdepot-bot.service', 'tgdepot-web.service']

/** Installs a release that differs in one file, while a visitor asks for a link every 0.2 s. */
async function upgrade(depot: Depot, file: string, change: (text: string) => string) {
  const path = `${checkout}/${file}`
  const text = await depot.machine.readFile(path)
  await depot.machine.writeFile(path, change(text))
  const folder = await mkdtemp(join(tmpdir(), 'visitor-'))
  const { url } = depot.file('visited')
  const once = `$CURL --output /dev/null --max-time 2 --write-out '%{http_code}' '${url}' || true`
  const visitor = depot.visit(
    `while [ ! -e ${folder}/end ]; do printf '%s %s\\n' "$(date +%s.%N)" "$(${once})"; sleep 0.2; done`,
    420_000,
  )
  let finished: Finished
  try {
    finished = await depot.install('--yes')
  } finally {
    await writeFile(join(folder, 'end'), '')
    await depot.machine.writeFile(path, text)
  }
  const outage = longestOutage(await visitor)
  await rm(folder, { recursive: true })
  return { ...finished, printed: finished.stdout + finished.stderr, outage }
}

/** Seconds from the first vain visit to the next good one. */
function longestOutage(visits: string): number {
  let longest = 0
  let since: number | undefined
  for (const line of visits.split('\n')) {
    const [time = '', status = ''] = line.split(' ')
    if (status !== '200') since ??= Number(time)
    else if (since !== undefined) {
      longest = Math.max(longest, Number(time) - since)
      since = undefined
    }
  }
  return since === undefined ? longest : Number.POSITIVE_INFINITY
}

const runs = (depot: Depot) => Promise.all(roles.map((unit) => depot.property(unit, 'InvocationID')))
const release = ({ machine }: Depot) => machine.sh('readlink /opt/tgdepot/current')
/** The first statement of a function. */
const within = (start: string, statement: string) => (text: string) => {
  const at = text.indexOf(start)
  const body = text.indexOf('{\n', at) + 2
  if (at < 0) throw new Error(`no "${start}"`)
  return `${text.slice(0, body)}  ${statement}\n${text.slice(body)}`
}
const broken = `throw new Error('this release is broken')`

export const upgrades: Step[] = [
  {
    title:
      'a change of the pages restarts the web role alone, and of the bot the bot alone; visitors notice neither',
    limit: 420,
    async run(t, depot) {
      depot.sent.set('visited', await depot.send(1070, { kind: 'document', name: 'visited.bin' }))
      const before = await runs(depot)
      const first = await release(depot)
      const pages = await upgrade(depot, 'app/features/download/pages.ts', (text) => `${text}// changed\n`)
      t.is(pages.code, 0, pages.printed)
      const second = await release(depot)
      t.not(second, first)
      const [bot, web] = await runs(depot)
      t.is(bot, before[0], 'the bot runs on')
      t.not(web, before[1])
      t.is(pages.outage, 0)
      // The bot's own release is still there, also after the next change.
      const other = await upgrade(
        depot,
        'app/features/download/pages.ts',
        (text) => `${text}// changed again\n`,
      )
      t.is(other.code, 0, other.printed)
      t.is((await runs(depot))[0], bot)
      t.is((await depot.machine.run(`test -e /opt/tgdepot/${first}/app/main.ts`)).code, 0)
      const file = await depot.send(1071, { kind: 'document', name: 'by the old process.bin' })
      t.is(await depot.download(file.url), file.sha256)
      const handlers = await upgrade(depot, 'app/features/ingest/texts.ts', (text) => `${text}// changed\n`)
      t.is(handlers.code, 0, handlers.printed)
      t.is(handlers.outage, 0)
      t.not((await runs(depot))[0], bot)
      await depot.waitForHealth(200, 90_000)
    },
  },
  {
    title: 'a release whose web role does not start is found beside the old one, and nothing is changed',
    limit: 240,
    async run(t, depot) {
      const [before, running] = [await release(depot), await runs(depot)]
      const { code, printed, outage } = await upgrade(
        depot,
        'app/roles/web.ts',
        within('function startWeb', broken),
      )
      t.not(code, 0)
      t.regex(printed, /this release is broken/)
      t.regex(printed, /the web role of release \S+ does not answer .*; nothing was changed/)
      t.notRegex(printed, /going back/)
      t.is(outage, 0)
      t.is(await release(depot), before)
      t.deepEqual(await runs(depot), running)
    },
  },
  {
    title: 'a release whose links answer something else than those of the old one is found there, too',
    limit: 240,
    async run(t, depot) {
      const before = await release(depot)
      const unlike = (text: string) =>
        text.replace('shortcuts: prefix === undefined', 'shortcuts: prefix !== undefined')
      const { code, printed, outage } = await upgrade(depot, 'app/features/download/web.ts', unlike)
      t.not(code, 0)
      t.regex(printed, /answers \/download\/ with 404 instead of 200; nothing was changed/)
      t.is(outage, 0)
      t.is(await release(depot), before)
    },
  },
  {
    title: 'a release whose bot does not start is rolled back by itself, and downloads go on',
    limit: 240,
    async run(t, depot) {
      const before = await release(depot)
      const began = performance.now()
      const { code, printed, outage } = await upgrade(
        depot,
        'app/roles/bot.ts',
        within('function startBot', broken),
      )
      t.log(`rolled back after ${Math.round((performance.now() - began) / 1000)} s, outage ${outage} s`)
      t.not(code, 0)
      t.regex(printed, /going back/)
      t.regex(printed, /this release is broken/)
      t.is(outage, 0)
      t.is(await release(depot), before)
      await depot.waitForHealth(200)
      const file = await depot.send(1025, { kind: 'document', name: 'after the rollback.bin' })
      t.is(await depot.download(file.url), file.sha256)
    },
  },
  {
    title: 'a release whose web role fails only in its own place is rolled back, with an outage below 30 s',
    limit: 300,
    async run(t, depot) {
      const before = await release(depot)
      const hang = 'if (inherited !== undefined) await new Promise(() => setInterval(() => {}, 1000))'
      for (const fault of [`if (inherited !== undefined) ${broken}`, hang]) {
        const { code, printed, outage } = await upgrade(
          depot,
          'app/roles/web.ts',
          within('function startWeb', fault),
        )
        t.log(`outage ${outage} s`)
        t.not(code, 0)
        t.regex(printed, /going back/)
        t.true(outage < 30, `${outage} s`)
        t.is(await release(depot), before)
        await depot.waitForHealth(200)
      }
    },
  },
]
