import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startBotApi } from '../test/bot-api/client.ts'
import { nginxProgram, startNginx } from '../test/helpers/nginx.ts'

const user = { id: 1001, first_name: 'Ann' }

/** The wished port if it is free, else any other. */
async function freePort(wished: number): Promise<number> {
  const server = createServer()
  const bound = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(wished, '127.0.0.1', () => resolve(true))
  })
  if (!bound) return await freePort(0)
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : wished
}

async function healthy(url: string): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    await delay(100)
  }
  throw new Error(`the app does not become healthy: ${url}`)
}

await using owned = new AsyncDisposableStack()
const folder = await mkdtemp(join(tmpdir(), 'tgdepot-demo-'))
owned.defer(() => rm(folder, { recursive: true, force: true }))

const dir = join(folder, 'bot-api')
await mkdir(dir)
const botApi = owned.use(await startBotApi({ dir, cloudDir: join(folder, 'telegram-cloud') }))
const port = await freePort(Number(process.env.PORT ?? 8000))
const base = `http://127.0.0.1:${port}`
const store = join(folder, 'store')
const socket = join(folder, 'web.sock')
const behindNginx = { SERVER_SOCKET: socket, X_ACCEL_PREFIX: '/_files/' }
const app = spawn(process.execPath, ['app/main.ts'], {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    PATH: process.env.PATH,
    TELEGRAM_BOT_TOKEN: botApi.token,
    TELEGRAM_API_URL: botApi.url,
    BOT_API_DIR: botApi.dir,
    DOWNLOAD_URL_BASE: base,
    STORAGE_PATH: store,
    DATABASE_URL: `sqlite:${join(folder, 'db', 'tgdepot.sqlite')}`,
    LOG_LEVEL: 'warn',
    ...(nginxProgram === undefined ? { SERVER_PORT: String(port) } : behindNginx),
  },
})
const ended = once(app, 'exit')
owned.defer(async () => {
  app.kill('SIGTERM')
  await ended
})
if (nginxProgram !== undefined) {
  owned.use(await startNginx({ folder: join(folder, 'nginx'), port, socket, store }))
}
await healthy(`${base}/health`)

await botApi.sendText('/start', { from: user })
const text = join(folder, 'hello.txt')
await writeFile(text, 'This file came through Telegram, and is a link now.\n')
const { chat_id } = await botApi.sendFile({ from: user, kind: 'document', name: 'hello.txt', path: text })
const message = await botApi.waitForMessage(
  chat_id,
  (m) => m.from.is_bot && (m.text ?? '').includes('/download/'),
)
const link = /https?:\S+\/download\/\S+/.exec(message.text ?? '')?.[0] ?? ''
const answer = await fetch(link)
console.log(`
tgdepot runs here with a stand-in for Telegram, ${nginxProgram ? 'behind nginx' : 'without nginx (not installed)'}.
A user sent hello.txt to the bot, and the chat shows:

  ${(message.text ?? '').replaceAll('\n', '\n  ')}

Downloading it: ${answer.status}, ${(await answer.arrayBuffer()).byteLength} bytes

Send a file of yours:  curl --data-binary @FILE '${botApi.control}/files?name=NAME&kind=document&from=${user.id}'
See its link:          curl '${botApi.control}/chats/${chat_id}' (JSON; in the last message)
Is it well?            curl ${base}/health

The link works until you press Ctrl-C.`)
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), ended])
