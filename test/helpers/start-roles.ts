import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StandIn } from '../bot-api/client.ts'
import { type App, createApp } from './start-app.ts'
import { until } from './until.ts'

export const adminToken = 'the-administrators-token'

type Env = Record<string, string | undefined>

/** Both roles in processes of their own on the same folders, as on an appliance. */
export interface Roles extends AsyncDisposable {
  bot: App
  web: App
  dir: string
}

/** Settings under which nothing but what a test is about holds files back. */
export const wide: Env = {
  RATE_LIMIT_PER_MINUTE: '10000',
  MAX_JOBS_PER_USER_PER_HOUR: '100000',
  MAX_JOBS_PER_CHAT_PER_HOUR: '100000',
  MAX_ACTIVE_JOBS_PER_USER: '10000',
  MIN_FREE_DISK: '1000000',
  EXPIRED_GRACE_MINUTES: '0',
  ADMIN_TOKEN: adminToken,
}

/** Starts both roles; `dir` is made and removed here unless it is given. */
export async function startRoles(api: StandIn, env: Env = {}, given?: string): Promise<Roles> {
  const dir = given ?? (await mkdtemp(join(tmpdir(), 'tgdepot-engine-')))
  await mkdir(dir, { recursive: true })
  const settings = { ...wide, ...env }
  const bot = await createApp({ api, roles: ['bot'], env: settings, dir })
  const web = await createApp({ roles: ['web'], env: settings, dir })
  const roles: Roles = {
    bot,
    web,
    dir,
    async [Symbol.asyncDispose]() {
      await Promise.all([bot[Symbol.asyncDispose](), web[Symbol.asyncDispose]()])
      if (given === undefined) await rm(dir, { recursive: true, force: true })
    },
  }
  try {
    await bot.start()
    await web.start()
    return roles
  } catch (error) {
    await roles[Symbol.asyncDispose]()
    throw error
  }
}

/** Waits for a moment at which the clock begins no sweep of its own within the next seconds. */
export async function betweenSweeps(): Promise<void> {
  const isCalm = () =>
    [0, 30, 45, 60].every((second) => {
      const ahead = second - (Date.now() % 60_000) / 1000
      return ahead < -2 || ahead > 6
    })
  await until('the clock is between its sweeps', isCalm, 30_000)
}

export interface Cleaned {
  status: string
  expired: { links: number; bytes: number }
  leftovers: { files: number; bytes: number }
  orphans: number
  missing: number
}

/** Asks for a clean-up until its result is there. */
export async function cleanUp(web: App): Promise<Cleaned> {
  return await until(
    'the result of the clean-up',
    async () => {
      const headers = { authorization: `Bearer ${adminToken}` }
      const answer = await web.get('/cleanup', { method: 'POST', headers })
      if (answer.status !== 200 && answer.status !== 202) throw new Error(`${answer.status} ${answer.text}`)
      return answer.status === 200 ? (JSON.parse(answer.text) as Cleaned) : undefined
    },
    60_000,
  )
}
