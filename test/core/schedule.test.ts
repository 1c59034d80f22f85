import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { pino } from 'pino'
import { Schedule } from '../../app/core/schedule.ts'
import { until } from '../helpers/until.ts'

function newLog() {
  const lines: Record<string, unknown>[] = []
  return { lines, log: pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }) }
}

const everySecond = '* * * * * *'

for (const atStart of [false, true]) {
  test(`a run ${atStart ? 'at the start ' : ''}that is still going is not started again`, async (t) => {
    let runs = 0
    let together = 0
    let most = 0
    const run = async () => {
      runs++
      most = Math.max(most, ++together)
      await delay(2300)
      together--
    }
    await using _cron = new Schedule([{ name: 'slow', schedule: everySecond, atStart, run }], newLog().log)
    await until('a second run', () => runs >= 2)
    t.is(most, 1)
  })
}

test('a run that fails is logged with its name, and the next one comes', async (t) => {
  const { lines, log } = newLog()
  let runs = 0
  const run = async () => {
    runs++
    throw new Error('broken')
  }
  await using _cron = new Schedule([{ name: 'failing', schedule: everySecond, run }], log)
  await until('a second run', () => runs >= 2)
  t.like(lines[0], { task: 'failing', msg: 'scheduled task failed' })
})

test('an entry for the start runs at once, another one does not', async (t) => {
  const ran: string[] = []
  const entry = (name: string, atStart: boolean) => ({
    name,
    atStart,
    schedule: '0 0 1 1 *',
    run: async () => {
      ran.push(name)
    },
  })
  await using _cron = new Schedule([entry('start', true), entry('later', false)], newLog().log)
  await until('the run', () => ran.length > 0, 500)
  t.deepEqual(ran, ['start'])
})

test('the end waits for the running ones and starts none', async (t) => {
  let ended = 0
  let began = 0
  const cron = new Schedule(
    [
      {
        name: 'running',
        schedule: everySecond,
        atStart: true,
        run: async () => {
          began++
          await delay(300)
          ended++
        },
      },
    ],
    newLog().log,
  )
  await until('it runs', () => began > 0)
  await cron[Symbol.asyncDispose]()
  t.is(ended, began)
  const before = began
  await delay(1500)
  t.is(began, before)
})
