import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { thisWorker } from '../../app/core/worker.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { aLease, kindOf, openJobs, queueOf } from '../helpers/open-jobs.ts'
import { type App, createApp } from '../helpers/start-app.ts'
import { wide } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

const [, , , boot] = thisWorker().split(':')

/** The name of a worker of this boot whose process has just ended. */
async function crashedWorker(): Promise<string> {
  const child = spawn('true')
  await once(child, 'close')
  return `${hostname()}:${child.pid}:1:${boot}`
}

/** Says of the process that has just ended that it had a job in hand. Returns its name. */
async function takeInHand(bot: App, job: number): Promise<string> {
  const [file = '', ...more] = (await readdir(dirname(bot.databaseFile)))
    .filter((name) => name.includes('.in-hand.'))
    .map((name) => join(dirname(bot.databaseFile), name))
  if (more.length > 0) throw new Error('the file of a process before is still there')
  const { worker } = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify({ worker, jobs: [job] }))
  return worker
}

test('a job that takes the process along is given up after three times, and the next user is served', async (t) => {
  t.timeout(90_000)
  await using desk = await openJobs()
  const poison = await desk.job({ user: 1 })
  const program = join(import.meta.dirname, 'crash-worker.ts')
  let starts = 0
  const start = async () => {
    starts++
    const child = spawn(process.execPath, [program, desk.databaseFile, String(poison)], { stdio: 'ignore' })
    const [code, signal] = await once(child, 'exit')
    return { code, signal }
  }
  t.like(await start(), { signal: 'SIGABRT' })
  const next = await desk.job({ user: 2 })
  const innocent = await Promise.all([3, 4].map((user) => desk.job({ user })))
  for (let end = await start(); end.code !== 0; end = await start()) {
    t.true(starts < 10)
  }
  t.is(await desk.statusOf(poison), 'FAILED')
  for (const id of [next, ...innocent]) t.is(await desk.statusOf(id), 'COMPLETED')
  const [row] = await desk.database.query('SELECT crashes, error_type FROM jobs WHERE id = $1', poison)
  t.deepEqual(row, { crashes: 3, error_type: 'JobCrashes' })
  t.is(starts, 4)
})

test('those that ran beside it run one at a time afterwards, so that none is given up with it', async (t) => {
  await using desk = await openJobs()
  const ids = await Promise.all([1, 2, 3].map((user) => desk.job({ user })))
  const worker = await crashedWorker()
  for (const _ of ids) await desk.jobs.claims.next(['test'], 1, aLease(worker))
  const queue = desk.queue({})
  t.is(await queue.recover(), 3)
  const fresh = await desk.job({ user: 4 })
  const first = await desk.jobs.claims.next(['test'], 1, aLease())
  t.is(first?.crashes, 1)
  t.is((await desk.jobs.claims.next(['test'], 1, aLease()))?.id, fresh, 'others run beside it')
  t.is(await desk.jobs.claims.next(['test'], 1, aLease()), undefined)
  await desk.jobs.transition(first?.id ?? 0, 'RUNNING', 'COMPLETED')
  t.is((await desk.jobs.claims.next(['test'], 1, aLease()))?.crashes, 1)
})

test('one of them that runs on for long, as a large file does, holds the others back for a minute only', async (t) => {
  await using desk = await openJobs()
  const kinds = ['large', 'small', 'known']
  for (const [user, kind] of kinds.entries()) await desk.job({ user, kind })
  const worker = await crashedWorker()
  for (const kind of kinds) await desk.jobs.claims.next([kind], 1, aLease(worker))
  const ofAll = kinds.map((name) => kindOf(desk.jobs, { name }))
  await queueOf(desk, desk.jobs, ofAll).recover()
  const large = await desk.jobs.claims.next(['large'], 1, aLease())
  t.is(large?.crashes, 1)
  t.is(await desk.jobs.claims.next(['small'], 1, aLease()), undefined)
  await desk.database.query('UPDATE jobs SET due_at = due_at - 60000 WHERE id = $1', large?.id)
  t.is((await desk.jobs.claims.next(['small'], 1, aLease()))?.crashes, 1)
  t.is(await desk.jobs.claims.next(['known'], 1, aLease()), undefined, 'one after the other')
})

test('what ends the machine, or stops as it should, is no crash', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  const crashes = async () => (await desk.jobs.find(id))?.crashes
  await desk.jobs.claims.next(['test'], 1, aLease(`${hostname()}:1:1:another-boot`))
  await using queue = desk.queue({
    run: (_job, signal) =>
      until('the stop', () => signal.aborted).then(() => {
        throw new Error('stopped')
      }),
  })
  t.is(await queue.recover(), 1)
  t.is(await crashes(), 0)
  await queue.start()
  await until('it runs', async () => (await desk.statusOf(id)) === 'RUNNING')
  await queue[Symbol.asyncDispose]()
  t.like(await desk.jobs.find(id), { status: 'QUEUED', crashes: 0, attempts: 0 })
})

test('a word that cannot be said to a user keeps no queue from its start', async (t) => {
  await using desk = await openJobs()
  const id = await desk.job()
  const onFailure = async () => {
    throw new Error('no word')
  }
  for (let crash = 0; crash < 3; crash++) {
    await desk.jobs.claims.next(['test'], 1, aLease(await crashedWorker()))
    t.is(await desk.queue({ onFailure }, [0]).recover(), 1)
    await desk.database.query('UPDATE jobs SET due_at = 0')
  }
  t.is(await desk.statusOf(id), 'FAILED')
})

test('a job that another program works on while the process ends has not ended it', async (t) => {
  await using desk = await openJobs()
  const ids = [await desk.job({ user: 1 }), await desk.job({ user: 2 })]
  const worker = await crashedWorker()
  for (const _ of ids) await desk.jobs.claims.next(['test'], 1, aLease(worker))
  await writeFile(`${desk.databaseFile}.in-hand.${worker}`, JSON.stringify({ worker, jobs: [ids[1]] }))
  // A process that ended while it started.
  desk.queue({})
  const queue = desk.queue({})
  t.is(await queue.recover(), 2)
  const crashes = await Promise.all(ids.map(async (id) => (await desk.jobs.find(id))?.crashes))
  t.deepEqual(crashes, [0, 1])
})

test('what a process had in hand is known until the last of its jobs is put back, whoever does them', async (t) => {
  await using desk = await openJobs()
  for (const kind of ['test', 'other']) await desk.job({ kind })
  const worker = await crashedWorker()
  for (const kind of ['test', 'other']) await desk.jobs.claims.next([kind], 1, aLease(worker))
  const living = `${hostname()}:${process.ppid}:1:${boot}`
  const fileOf = (name: string) => `${desk.databaseFile}.in-hand.${name}`
  for (const name of [worker, living])
    await writeFile(fileOf(name), JSON.stringify({ worker: name, jobs: [] }))
  await desk.queue({}).recover()
  t.true(existsSync(fileOf(worker)))
  await desk.queue({ name: 'other' }).recover()
  t.false(existsSync(fileOf(worker)))
  t.true(existsSync(fileOf(living)))
  t.deepEqual(await desk.database.query('SELECT crashes FROM jobs'), [{ crashes: 0 }, { crashes: 0 }])
})

test('the user of a job that is given up is told, and can ask again', async (t) => {
  t.timeout(90_000)
  await using api = await startBotApi()
  await using bot = await createApp({ api, roles: ['bot'], env: { ...wide, RETRY_DELAYS: '0' } })
  await bot.start()
  await api.settings({ download_bytes_per_second: 1000 })
  const sent = await api.sendFile({ from: { id: 1 }, size: 1_000_000 })
  const kill = async () => {
    const asked = (await api.calls('getFile')).length
    await until('the server is asked', async () => (await api.calls('getFile')).length > asked)
    await bot.kill('SIGSEGV')
  }
  // As long as the server fetches the file, the process ends by other causes.
  for (let crash = 0; crash < 4; crash++) {
    await kill()
    await bot.start()
  }
  t.like(bot.sql('SELECT crashes FROM jobs')[0], { crashes: 0 })
  for (let crash = 0; crash < 3; crash++) {
    await kill()
    await takeInHand(bot, 1)
    await bot.start()
  }
  const { message_id, inline_keyboard } = await api.waitForMessage(1, ({ text }) =>
    /failed each time it took in this file/.test(text ?? ''),
  )
  t.like(bot.sql('SELECT status, error_type FROM jobs')[0], { status: 'FAILED', error_type: 'CRASH' })
  await api.settings({ download_bytes_per_second: null })
  const data = String(inline_keyboard?.[0]?.[0]?.callback_data)
  await api.press({ from: { id: 1 }, chat_id: 1, message_id, data })
  await linkFor(api, sent)
})

test('a crash of the machine is no crash of the jobs in hand, by the boot id that systemd tells', async (t) => {
  t.timeout(120_000)
  await using api = await startBotApi()
  await using bot = await createApp({ api, roles: ['bot'], env: { ...wide, RETRY_DELAYS: '0' } })
  const boots = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(32))
  const [first = ''] = boots
  await bot.start({ BOOT_ID: first })
  await api.settings({ download_bytes_per_second: 1000 })
  const sent = await api.sendFile({ from: { id: 1 }, size: 1_000_000 })
  const crashIn = async (boot: string) => {
    const asked = (await api.calls('getFile')).length
    await until('the server is asked', async () => (await api.calls('getFile')).length > asked)
    await bot.kill('SIGKILL')
    const worker = await takeInHand(bot, 1)
    t.true(worker.endsWith(`:${boot}`), worker)
  }
  for (const [at, boot] of boots.entries()) {
    if (at > 0) await bot.start({ BOOT_ID: boot })
    await crashIn(boot)
  }
  const last = boots.at(-1) ?? ''
  t.like(bot.sql('SELECT crashes FROM jobs')[0], { crashes: 0 })
  await bot.start({ BOOT_ID: last })
  await until('the program’s own counts', () => bot.sql('SELECT crashes FROM jobs')[0]?.crashes === 1)
  await api.settings({ download_bytes_per_second: null })
  await linkFor(api, sent)
})
