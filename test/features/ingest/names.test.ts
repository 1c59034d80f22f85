import test from 'ava'
import { cutName } from '../../../app/core/cut-name.ts'
import { safeName } from '../../../app/telegram/file-name.ts'
import type { StandIn } from '../../bot-api/client.ts'
import { linkFor } from '../../helpers/chat.ts'
import { nameIn } from '../../helpers/names.ts'
import type { App } from '../../helpers/start-app.ts'
import { startForAll } from '../../helpers/start-for-all.ts'

let api: StandIn
let app: App
startForAll({ RATE_LIMIT_PER_MINUTE: '1000' }, (server, program) => {
  api = server
  app = program
})

const invented = /^document_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d+$/

const names: { title: string; sent: string; kept?: string | RegExp }[] = [
  { title: 'Cyrillic letters', sent: 'Отчёт за март.pdf' },
  { title: 'Arabic letters', sent: 'تقرير مارس.pdf' },
  { title: 'Chinese and Japanese letters', sent: '四半期報告.xlsx' },
  { title: 'emoji with joiners', sent: '🎉 party 👩‍👩‍👧.zip' },
  { title: 'Latin letters with marks and typographic quotes', sent: 'naïve ’quotes’ – ok.txt' },
  { title: 'straight quotes', sent: `She said "hi" & 'bye'.txt` },
  { title: 'percent signs and escapes', sent: '100% of %41%00%zz.txt' },
  { title: 'separators of header parameters', sent: 'a;b=c, filename=d.txt' },
  { title: 'HTML', sent: '<i>bold<b> &amp; co.txt' },
  { title: 'line breaks', sent: 'a\r\nX-Evil: 1\n\nb.txt', kept: 'a X-Evil: 1 b.txt' },
  { title: 'a NUL', sent: 'a\u0000b.txt', kept: 'a b.txt' },
  { title: 'a path upwards', sent: '../../etc/passwd', kept: '.. .. etc passwd' },
  { title: 'a Windows path', sent: 'C:\\dir\\..\\boot.ini', kept: 'C: dir .. boot.ini' },
  { title: 'a mark that turns the direction', sent: 'photo\u202egpj.exe', kept: 'photo gpj.exe' },
  { title: 'marks that isolate a direction', sent: '\u2067abc\u2069.txt', kept: 'abc .txt' },
  { title: 'blanks around it', sent: '  a b.txt  ', kept: 'a b.txt' },
  { title: 'dots only', sent: '...', kept: invented },
  { title: 'characters only that show nothing', sent: '\u200b\u2060.\ufeff', kept: invented },
  { title: 'blanks only', sent: ' \n ', kept: invented },
  { title: '300 letters', sent: `${'x'.repeat(296)}.bin`, kept: `${'x'.repeat(251)}.bin` },
  { title: '300 letters of two bytes', sent: `${'ж'.repeat(296)}.pdf`, kept: `${'ж'.repeat(125)}.pdf` },
  { title: '300 joined emoji', sent: `${'👩‍👩‍👧'.repeat(300)}.png`, kept: `${'👩‍👩‍👧'.repeat(13)}.png` },
]

names.forEach(({ title, sent, kept = sent }, index) => {
  test(`a name with ${title} reaches the link, the chat and the header`, async (t) => {
    const from = { id: 5000 + index }
    const message = await api.sendFile({ from, name: sent, size: 10 })
    const link = await linkFor(api, message)
    const [row] = app.sql<{ name: string }>('SELECT name FROM links WHERE uuid = ?', link.uuid)
    const name = row?.name ?? ''
    if (typeof kept === 'string') t.is(name, kept)
    else t.regex(name, kept)
    t.true(Buffer.byteLength(name) <= 255)

    const { headers } = await app.get(link.path, { method: 'HEAD' })
    const header = headers['content-disposition'] ?? ''
    t.is(nameIn(header), cutName(name, 240), 'as much as Chromium can save')
    t.regex(header, /^attachment[\x20-\x7e]*$/, 'old readers see ASCII')
    t.true(link.message.text?.startsWith(`${name} (10 B)\n`), link.message.text)
  })
})

test('half of a surrogate pair in a name is replaced', (t) => {
  t.is(safeName('a\ud83d.txt'), 'a\ufffd.txt')
})

test('a name is cut before its extension', (t) => {
  const name = safeName(`${'a'.repeat(400)}.tar.gz`)
  t.is(Buffer.byteLength(name), 255)
  t.true(name.endsWith('aaa.tar.gz'))
})

test('a single visible character that is too long is cut, not left out', (t) => {
  const long = `a${'\u0301'.repeat(200)}.pdf`
  t.true(safeName(long).startsWith('a\u0301'))
  t.true(safeName(long).endsWith('\u0301.pdf'))
  t.true(cutName(`a${'\u0301'.repeat(122)}`, 240).startsWith('a\u0301'))
})
