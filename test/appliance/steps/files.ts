import type { FileSpec } from '../../bot-api/control/user-actions.ts'
import { type Depot, dataFolder } from '../depot.ts'
import type { Step } from '../step.ts'

const emoji = '\u{1F389} праздник \u{1F468}\u200D\u{1F469}\u200D\u{1F467}.zip'

/** Names as senders give them; the second is what a browser must save, where it differs. */
const names: [string, string?][] = [
  ['report.pdf'],
  ['Отчёт за год.docx'],
  ['تقرير سنوي.pdf'],
  ['年度报告 — 最終版.xlsx'],
  [emoji],
  ['100% of 50%25 %00 a+b&c=d;e.bin'],
  ['He said "yes" \'no\'.txt'],
  ['two\r\nSet-Cookie: lines.txt', 'two Set-Cookie: lines.txt'],
  ['../../etc/passwd', '.. .. etc passwd'],
]

const media: FileSpec[] = [
  { kind: 'video', name: 'clip.mp4', mime_type: 'video/mp4', size: 3_000_000 },
  { kind: 'audio', name: 'song.mp3', mime_type: 'audio/mpeg', size: 2_000_000 },
  { kind: 'voice', mime_type: 'audio/ogg', size: 40_000 },
  { kind: 'video_note', size: 500_000 },
  { kind: 'animation', name: 'cat.mp4', mime_type: 'video/mp4', size: 700_000 },
  { kind: 'photo', size: 250_000 },
  { kind: 'document', name: `${'x'.repeat(300)}.tar`, size: 1 },
]

/** The name under which a browser saves an answer (RFC 8187 first, then RFC 6266's plain form). */
export function savedName(disposition: string): string {
  const extended = /filename\*=UTF-8''([^;]*)/i.exec(disposition)?.[1]
  if (extended !== undefined) return decodeURIComponent(extended)
  const quoted = /filename="((?:[^"\\]|\\.)*)"/.exec(disposition)?.[1]
  if (quoted !== undefined) return quoted.replace(/\\(.)/g, '$1')
  return /filename=([^;]+)/.exec(disposition)?.[1] ?? ''
}

/** What lies in the Bot API server's folder under a type, such as documents; the partial files too. */
async function leftovers({ machine }: Depot): Promise<string> {
  return machine.sh(
    `find ${dataFolder}/bot-api -mindepth 3 -type f -not -path '*/telegram-cloud/*' -not -name '*.binlog'`,
  )
}

export const files: Step[] = [
  {
    title: 'documents of any name become links that save under that name',
    isBasic: true,
    async run(t, depot) {
      for (const [name, expected = name] of names) {
        const file = await depot.send(1001, { kind: 'document', name, size: 100_000 })
        const { status, headers, body } = await depot.get(file.url)
        t.is(status, 200, name)
        t.is(body.length, file.size, name)
        const disposition = headers.get('content-disposition') ?? ''
        t.regex(disposition, /^attachment\b/)
        t.notRegex(disposition, /[^\x20-\x7e]/, name)
        t.is(savedName(disposition), expected)
        t.is(headers.get('set-cookie'), null)
        depot.sent.set(name, file)
      }
    },
  },
  {
    title: 'every kind of media becomes a link to the very same bytes',
    async run(t, depot) {
      for (const spec of media) {
        const file = await depot.send(1002, spec)
        t.is(await depot.download(file.url), file.sha256, spec.kind)
        depot.sent.set(spec.kind === 'document' ? 'long name' : `${spec.kind}`, file)
      }
      const { headers } = await depot.get(depot.file('video').url, '--head')
      t.is(headers.get('content-type'), 'video/mp4')
    },
  },
  {
    title: 'a file of 2 GB becomes a link without a second copy of its bytes',
    limit: 240,
    async run(t, depot) {
      const size = 2_147_483_648
      const file = await depot.send(1003, { kind: 'document', name: 'disk.img', size, seed: 'disk' }, 180_000)
      depot.sent.set('2 GB', file)
      const stored = await depot.machine.sh(`stat --format='%s %h %a %U' ${depot.storePath(file.uuid)}`)
      t.is(stored, `${size} 1 664 tgdepot-api`)
      t.is(await leftovers(depot), '')
      const used = Number(
        (await depot.machine.sh(`du --summarize --block-size=1 ${dataFolder}`)).split('\t')[0],
      )
      t.true(used > size && used < size * 1.05, `${used} bytes are used`)
    },
  },
  {
    title: 'the 2 GB come whole through nginx, and in two parts',
    limit: 240,
    async run(t, depot) {
      const { url, sha256, size } = depot.file('2 GB')
      t.is(await depot.download(url), sha256)
      const first = `$CURL --http1.1 --fail --range 0-999999999 '${url}'`
      const second = `$CURL --http1.1 --fail --range 1000000000- '${url}'`
      t.is((await depot.visit(`(${first}; ${second}) | sha256sum`)).slice(0, 64), sha256)
      const tail = await depot.get(url, '--range', `${size - 10}-`)
      t.is(tail.headers.get('content-range'), `bytes ${size - 10}-${size - 1}/${size}`)
    },
  },
  {
    title: 'the same file sent again is another name of the same inode',
    async run(t, depot) {
      const spec = { kind: 'document', name: 'twice.bin', size: 5_000_000, unique_id: 'AgADtwice' } as const
      const first = await depot.send(1004, spec)
      const second = await depot.send(1005, spec)
      t.not(first.uuid, second.uuid)
      const inodes = `stat --format=%i ${depot.storePath(first.uuid)} ${depot.storePath(second.uuid)}`
      t.is(new Set((await depot.machine.sh(inodes)).split('\n')).size, 1)
      t.is(await depot.download(second.url), first.sha256)
    },
  },
  {
    title: 'what cannot be taken is refused by a sentence before any transfer',
    async run(t, depot) {
      const body = { from: { id: 1006 }, file: { kind: 'document', name: 'big', size: 2_147_483_649 } }
      await depot.control('POST', '/messages?sha256=0', body)
      await depot.control('POST', '/messages', { from: { id: 1006 }, text: 'hello there' })
      const chat = () =>
        depot.control<{ messages: { text?: string; from: { is_bot: boolean } }[] }>('GET', '/chats/1006')
      const texts = await waitForTexts(chat)
      t.regex(texts[0] ?? '', /was not taken: the limit is 2 147 483 648 bytes/)
      t.regex(texts[1] ?? '', /file/i)
      t.is(await leftovers(depot), '')
    },
  },
  {
    title: 'the journal tells the story as JSON, with sizes, times and hard links',
    async run(t, depot) {
      const completed = (await depot.logOf('tgdepot-bot.service')).filter(
        (line) => line.event === 'JOB_COMPLETED',
      )
      const big = completed.find((line) => line.size === 2_147_483_648)
      t.like(big, { user_id: 1003, chat_id: 1003, intake: 'link' })
      t.true((big?.seconds as number) > 0 && (big?.bytes_per_second as number) > 0)
      t.deepEqual(new Set(completed.map((line) => line.intake)), new Set(['link', 'known']))
      const visits = (await depot.machine.readFile('/var/log/tgdepot/access.log')).trim().split('\n')
      const parsed = visits.map((line) => JSON.parse(line))
      t.truthy(parsed.find(({ bytes, seconds }) => bytes === 2_147_483_648 && seconds > 0))
    },
  },
]

async function waitForTexts(
  chat: () => Promise<{ messages: { text?: string; from: { is_bot: boolean } }[] }>,
): Promise<string[]> {
  const deadline = Date.now() + 15_000
  for (;;) {
    const { messages } = await chat()
    const texts = messages.filter(({ from }) => from.is_bot).map(({ text = '' }) => text)
    if (texts.length >= 2 || Date.now() > deadline) return texts
    await new Promise((wake) => setTimeout(wake, 200))
  }
}
