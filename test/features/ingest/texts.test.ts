import test from 'ava'
import {
  done,
  jobRefused,
  noneWaits,
  notTaken,
  progress,
  severalNotTaken,
  tooLarge,
  waiting,
} from '../../../app/features/ingest/texts.ts'
import { unknownCommand } from '../../../app/telegram/texts.ts'

const file = { name: 'a<b>.bin', size: 1000 }

test('a bar shows share, bytes, speed and the time left', (t) => {
  t.is(
    progress(file, { received: 250, speed: 50 }),
    '<code>a&lt;b&gt;.bin</code> (1 kB)\n▓▓▓░░░░░░░░░ 25 % · 250 B · 50 B/s · 15 s left',
  )
})

test('a bar without a speed shows neither speed nor time', (t) => {
  for (const speed of [undefined, 0]) t.notRegex(progress(file, { received: 250, speed }), /\/s|left/)
})

test('a bar never passes its end, as blocks on the disk do', (t) => {
  t.regex(progress(file, { received: 4096, speed: undefined }), /\n▓{12} 100 %/)
})

test('without a size only the bytes are shown', (t) => {
  t.is(
    progress({ name: 'x', size: undefined }, { received: 2000, speed: 1000 }),
    '<code>x</code>\n2 kB · 1 kB/s',
  )
})

test('a link without an end says so', (t) => {
  t.regex(done(file, 'https://x.org/download/1', null), /can download it, with no time limit\./)
})

test('the end of a link has its time of day', (t) => {
  const end = Date.UTC(2027, 0, 17, 14, 5)
  t.regex(done(file, 'https://x.org/download/1', end), /can download it, until 17 January 2027, 14:05 UTC\.$/)
})

test('a file just above the limit does not seem to be as large as the limit', (t) => {
  const text = notTaken(tooLarge({ name: 'x', size: 2 * 1024 ** 3 + 1 }, 2 * 1024 ** 3))
  t.is(
    text,
    '<code>x</code> (2 147 483 649 bytes) was not taken: the limit is 2 147 483 648 bytes. ' +
      'Send a smaller file, or split it into parts.',
  )
})

test('several files that were not taken are named, each with its reason', (t) => {
  const files = ['a', 'b'].map((name) => tooLarge({ name, size: 3e9 }, 2e9))
  t.is(
    severalNotTaken(files),
    '2 files were not taken:\n• <code>a</code> (3 GB): the limit is 2 GB\n• <code>b</code> (3 GB): the limit is 2 GB\n' +
      'Send a smaller file, or split it into parts.',
  )
})

test('one file waits, several wait', (t) => {
  const limits = { minute: 1, hour: 600 }
  t.regex(
    waiting(1, limits, 30),
    /^<b>1 file waits for its turn\.<\/b>\nI take 1 file a minute and 600 an hour/,
  )
  t.regex(
    waiting(2, limits, 90),
    /^<b>2 files wait for their turn\..*\n.*The last one has its turn in about 2 min\.$/,
  )
  t.regex(
    waiting(1, { chat: 1 }, 3600),
    /^<b>1 file waits for its turn\.<\/b>\nI take 1 file an hour from this chat; each gets its link here\. /,
  )
  t.regex(waiting(1, limits, 90), / It has its turn in about 2 min\.$/)
  t.regex(waiting(2, limits, -1), /They come next, one by one\.$/)
  t.regex(waiting(1, limits, -1), /It comes next\.$/)
  t.is(noneWaits(1), 'The file that had to wait has had its turn.')
  t.is(noneWaits(40), 'All 40 files that had to wait have had their turn.')
})

test('an unknown command is named, cut when it is long, and never markup', (t) => {
  t.is(unknownCommand('stats'), "I don't know <code>/stats</code>. /help lists what I can do.")
  t.regex(unknownCommand('stats', '@depot_bot'), /\/help@depot_bot lists what I can do\.$/)
  t.regex(unknownCommand('x'.repeat(64)), /<code>\/x{32}…<\/code>/)
  t.regex(unknownCommand('<b>'), /&lt;b&gt;/)
})

test('files that were not taken for different reasons have an advice for each reason, once', (t) => {
  const large = ['a', 'b'].map((name) => tooLarge({ name, size: 3e9 }, 2e9))
  const lines = severalNotTaken([...large, jobRefused(file, { limit: 'active', most: 500 })]).split('\n')
  t.is(lines[3], '• <code>a&lt;b&gt;.bin</code> (1 kB): 500 files of yours wait already')
  t.is(lines[4], 'Send a smaller file, or split it into parts. Please try again when fewer wait.')
})
