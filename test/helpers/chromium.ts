import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './until.ts'

export const chromiumProgram = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) =>
  existsSync(path),
)

interface Event {
  method: string
  params: Record<string, unknown>
}

export interface Browser extends AsyncDisposable {
  /** Where it saves. */
  downloads: string
  /** Opens an address; resolves with the name that it saves the answer under, or why it saves nothing. */
  save(address: string): Promise<string>
  /** Opens an address; resolves with the text of the page that it shows. */
  read(address: string): Promise<string>
}

/** A real browser without a window, spoken to by the Chrome DevTools Protocol. */
export async function startChromium(): Promise<Browser> {
  if (chromiumProgram === undefined) throw new Error('Chromium is not installed')
  const folder = await mkdtemp(join(tmpdir(), 'tgdepot-chromium-'))
  const downloads = join(folder, 'downloads')
  await mkdir(downloads)
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
  const own = ['--remote-debugging-port=0', `--user-data-dir=${folder}/profile`, '--no-proxy-server']
  // Without a language Chromium takes names for ASCII, as it would on nobody's desktop.
  const env = { ...process.env, LC_ALL: 'C.UTF-8' }
  const child = spawn(chromiumProgram, [...flags, ...own, 'about:blank'], { env, stdio: 'ignore' })
  const port = join(folder, 'profile', 'DevToolsActivePort')
  const [number, path] = await until(
    'Chromium listens',
    async () => {
      const lines = (await readFile(port, 'utf8').catch(() => '')).split('\n')
      return lines.length > 1 && lines
    },
    40_000,
  )
  const socket = new WebSocket(`ws://127.0.0.1:${number}${path}`)
  await once(socket, 'open')
  const answers = new Map<number, (result: Record<string, unknown>) => void>()
  const events: Event[] = []
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data))
    if (message.id === undefined) events.push(message)
    else answers.get(message.id)?.(message.result ?? { error: message.error })
  })
  let calls = 0
  const call = (method: string, params: object, sessionId?: string) => {
    const id = ++calls
    socket.send(JSON.stringify({ id, method, params, sessionId }))
    return new Promise<Record<string, unknown>>((resolve) => answers.set(id, resolve))
  }
  const open = async (address: string) => {
    const { targetId } = await call('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true })
    const { errorText } = await call('Page.navigate', { url: address }, String(sessionId))
    return { errorText: errorText as string | undefined, sessionId: String(sessionId) }
  }
  await call('Browser.setDownloadBehavior', {
    behavior: 'allow',
    downloadPath: downloads,
    eventsEnabled: true,
  })
  return {
    downloads,
    async save(address) {
      events.length = 0
      await open(address)
      const begun = await until('a download begins', () =>
        events.find(({ method }) => method === 'Browser.downloadWillBegin'),
      )
      const { guid, suggestedFilename } = begun.params
      const ended = await until('the download ends', () =>
        events.find(
          ({ method, params }) =>
            method === 'Browser.downloadProgress' && params.guid === guid && params.state !== 'inProgress',
        ),
      )
      return ended.params.state === 'completed' ? String(suggestedFilename) : String(ended.params.state)
    },
    async read(address) {
      const { errorText, sessionId } = await open(address)
      if (errorText) return errorText
      return await until('the page is shown', async () => {
        const expression = 'document.readyState === "complete" ? document.body.innerText : ""'
        const { result } = await call('Runtime.evaluate', { expression }, sessionId)
        return (result as { value?: string } | undefined)?.value
      })
    },
    async [Symbol.asyncDispose]() {
      socket.close()
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
