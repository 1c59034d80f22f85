import test from 'ava'
import { type Metric, Metrics } from '../../app/core/metrics.ts'
import { metrics as declared } from '../../app/declarations.ts'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor } from '../helpers/chat.ts'
import { openRecords } from '../helpers/records.ts'
import { startApp } from '../helpers/start-app.ts'
import { until } from '../helpers/until.ts'

const told: Metric = { name: 'tgdepot_told_total', help: 'Jokes.', type: 'counter', labels: ['kind'] }
const mood: Metric = { name: 'tgdepot_mood', help: 'Mood.', type: 'gauge' }

test('a counter grows over processes and restarts, and a gauge has its last value', async (t) => {
  await using records = await openRecords()
  const { database } = records
  for (const value of [3, 4]) {
    const metrics = new Metrics(database, [told, mood])
    metrics.set('tgdepot_mood', value)
    metrics.add('tgdepot_told_total', 1, { kind: 'old' })
    metrics.add('tgdepot_told_total', value, { kind: 'old' })
    await metrics.write()
    await metrics.write()
  }
  const shown = await new Metrics(database, [told, mood]).list()
  t.deepEqual(
    shown.map(({ samples }) => samples),
    [[{ labels: 'kind="old"', value: 9 }], [{ labels: '', value: 4 }]],
  )
})

test('what cannot be written now is written later, once', async (t) => {
  await using records = await openRecords()
  const { database } = records
  let isAway = true
  const query = (sql: string, ...values: unknown[]) =>
    isAway ? Promise.reject(new Error('away')) : database.query(sql, ...values)
  const metrics = new Metrics({ ...database, query: query as typeof database.query }, [told])
  metrics.add('tgdepot_told_total', 1, { kind: 'new' })
  const writing = t.throwsAsync(metrics.write(), { message: 'away' })
  metrics.add('tgdepot_told_total', 2, { kind: 'new' })
  await writing
  isAway = false
  await metrics.write()
  await metrics.write()
  t.deepEqual((await metrics.list())[0]?.samples, [{ labels: 'kind="new"', value: 3 }])
})

test('a gauge of which nobody speaks any more is not shown', async (t) => {
  await using records = await openRecords()
  const metrics = new Metrics(records.database, [mood])
  metrics.set('tgdepot_mood', 1)
  await metrics.write()
  await records.database.query('UPDATE metrics SET written_at = written_at - 100000')
  t.deepEqual((await metrics.list())[0]?.samples, [])
})

test('a gauge that is read and has no value for some labels any more is at 0 there', async (t) => {
  await using records = await openRecords()
  let lanes = ['a', 'b']
  const read = async () => lanes.map((lane) => ({ value: 5, labels: { lane } }))
  const metrics = new Metrics(records.database, [{ ...mood, labels: ['lane'], read }])
  await metrics.read()
  lanes = ['b']
  await metrics.read()
  await metrics.write()
  const samples = [
    { labels: 'lane="a"', value: 0 },
    { labels: 'lane="b"', value: 5 },
  ]
  t.deepEqual((await metrics.list())[0]?.samples, samples)
})

test('what nobody declared cannot be counted', async (t) => {
  await using records = await openRecords()
  const metrics = new Metrics(records.database, [told, mood])
  t.throws(() => metrics.set('tgdepot_weather', 1), { instanceOf: TypeError })
  t.throws(() => metrics.add('tgdepot_told_total', 1), { instanceOf: TypeError })
  t.throws(() => metrics.add('tgdepot_mood'), { instanceOf: TypeError })
})

test('metrics have names as Prometheus wants them, each once', (t) => {
  const names = declared.map(({ name }) => name)
  t.deepEqual(names, [...new Set(names)])
  for (const { name, type, labels = [], help } of declared) {
    t.regex(name, /^tgdepot_[a-z_]+$/)
    t.is(name.endsWith('_total'), type === 'counter', name)
    t.regex(help, /^[A-Z].*\.$/)
    for (const label of labels) t.regex(label, /^[a-z]+$/)
  }
})

const ADMIN_TOKEN = 'x'.repeat(40)

test('/metrics tells what is kept and what waits, on this machine or with the token', async (t) => {
  await using api = await startBotApi()
  await using app = await startApp({ api, env: { ADMIN_TOKEN } })
  await linkFor(api, await api.sendFile({ kind: 'document', name: `"a"\\b.bin` }))
  await app.restart()
  const text = await until(
    'figures of the bot role',
    async () => {
      const { status, headers, body } = await app.get('/metrics')
      t.is(status, 200)
      t.is(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
      const text = body.toString()
      return text.includes('tgdepot_links 1\n') && text.includes('tgdepot_disk_free_bytes') && text
    },
    25_000,
  )
  t.regex(
    text,
    /^# HELP tgdepot_links Links whose file is kept\.\n# TYPE tgdepot_links gauge\ntgdepot_links 1$/m,
  )
  t.regex(text, /^tgdepot_kept_bytes [1-9]\d+$/m)
  t.regex(text, /^tgdepot_messages_waiting \d+$/m)
  t.regex(text, /^tgdepot_updates_waiting 0$/m)
  t.regex(text, /^tgdepot_disk_free_bytes\{of="[^"]+"\} \d+$/m)
  t.regex(text, /^tgdepot_part_ok\{part="disk"\} [01]$/m)
  const byProxy = { 'x-forwarded-for': '192.0.2.1' }
  t.is((await app.get('/metrics', { headers: byProxy })).status, 401)
  const authorization = `Bearer ${ADMIN_TOKEN}`
  t.is((await app.get('/metrics', { headers: { ...byProxy, authorization } })).status, 200)
  t.is(
    (await app.get('/metrics', { headers: { ...byProxy, authorization: `${authorization}x` } })).status,
    401,
  )
})

test('a stranger does not learn that there is /metrics where no token opens it', async (t) => {
  await using app = await startApp({ roles: ['web'] })
  const { status, body } = await app.get('/metrics', { headers: { 'x-forwarded-for': '192.0.2.1' } })
  t.is(status, 404)
  t.regex(body.toString(), /There is no such file|not_found/)
})
