import test from 'ava'
import { bytes, done, duration, progress } from '../../app/ingest/texts.ts'

const sizes: [count: number, text: string][] = [
  [0, '0 B'],
  [1, '1 B'],
  [1023, '1023 B'],
  [1024, '1 KB'],
  [1536, '1.5 KB'],
  [102_400, '100 KB'],
  [5 * 1024 ** 2, '5 MB'],
  [2 * 1024 ** 3, '2 GB'],
  [4_194_304_000, '3.9 GB'],
  [1024 ** 2 - 1, '1 MB'],
  [1024 ** 4, '1 TB'],
  [1024 ** 5, '1024 TB'],
]

for (const [count, text] of sizes) test(`${count} bytes are ${text}`, (t) => t.is(bytes(count), text))

const times: [seconds: number, text: string][] = [
  [-1, '0 s'],
  [0.4, '0 s'],
  [59, '59 s'],
  [60, '1 min'],
  [200, '3 min 20 s'],
  [3600, '1 h'],
  [7500, '2 h 5 min'],
]

for (const [seconds, text] of times)
  test(`${seconds} seconds are ${text}`, (t) => t.is(duration(seconds), text))

const file = { name: 'a<b>.bin', size: 1000 }

test('a bar shows share, bytes, speed and the time left', (t) => {
  t.is(
    progress(file, { received: 250, speed: 50 }),
    '<b>a&lt;b&gt;.bin</b> (1000 B)\n▓▓▓░░░░░░░░░ 25 % · 250 B · 50 B/s · 15 s left',
  )
})

test('a bar without a speed shows neither speed nor time', (t) => {
  for (const speed of [undefined, 0]) t.notRegex(progress(file, { received: 250, speed }), /\/s|left/)
})

test('a bar never passes its end, as blocks on the disk do', (t) => {
  t.regex(progress(file, { received: 4096, speed: undefined }), /\n▓{12} 100 %/)
})

test('without a size only the bytes are shown', (t) => {
  t.is(progress({ name: 'x', size: undefined }, { received: 2048, speed: 1024 }), '<b>x</b>\n2 KB · 1 KB/s')
})

test('a link without an end says so', (t) => {
  t.regex(done(file, 'https://x.org/download/1', null), /kept without end/)
})
