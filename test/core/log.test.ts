import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { scrub } from '../../app/core/log.ts'
import { thisWorker } from '../../app/core/worker.ts'
import { telegramSettings } from '../../app/telegram/settings.ts'

const secret = `AAE${'abcDEF_-09'.repeat(3)}xy`
const token = `8418233161:${secret}`
const program = join(import.meta.dirname, '../helpers/write-log.ts')

async function logged(mode: 'journal' | 'secret' | '', text = token): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, text, mode])
  return stdout
}

const places: [title: string, text: string][] = [
  ['an API address', `http://127.0.0.1:8081/bot${token}/getFile`],
  ['a file address', `https://api.telegram.org/file/bot${token}/documents/file_1.pdf`],
  ['a path of the local server', `/var/lib/bot-api/${token}/documents/file_1`],
  ['a path where the colon is not allowed', `/mnt/${token.replace(':', '~')}/temp/3`],
  ['an encoded address', encodeURIComponent(`bot${token}`)],
  ['an address encoded in lower case', `bot${token.replace(':', '%3a')}`],
  ['the test data centre', `bot${token}:T/getMe`],
  ['quotes', JSON.stringify({ token })],
  ['two in one line', `${token} ${token}`],
  ['the end of a word', `token=${token}`],
  ['a text that was cut', `/bot${token.slice(0, -10)}`],
]

for (const [title, text] of places) {
  test(`a token in ${title} is replaced`, (t) => {
    t.false(scrub(text).includes(secret.slice(0, 20)))
    t.true(scrub(text).includes('[token]'))
  })
}

test('what is no token stays', (t) => {
  for (const text of [
    '2026-11-21T00:00:00.000Z',
    'a1b2c3d4-0000-4000-8000-0000000000a1',
    '127.0.0.1:8081/bot',
    'x:1',
    thisWorker('0123abcd-4567-89ab-cdef-0123456789ab'),
  ]) {
    t.is(scrub(text), text)
  }
})

test('every token that the settings take is replaced, however long', (t) => {
  const { TELEGRAM_BOT_TOKEN: setting } = telegramSettings.shape
  const taken = Array.from({ length: 120 }, (_, length) => `12345:${'a'.repeat(length)}`).filter(
    (token) => setting.safeParse(token).success,
  )
  t.true(taken.includes(`12345:${'a'.repeat(35)}`))
  for (const token of taken) t.is(scrub(`/bot${token}/getMe`), '/bot[token]/getMe')
})

test('a token is in no line: not in a message, a field, a name of a field, an error, its stack, path or cause', async (t) => {
  const output = await logged('')
  t.false(output.includes(secret))
  const lines = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.is(lines.length, 6)
  t.regex(lines[3].error.cause.message, /\[token\]/)
  t.regex(lines[3].error.stack, /write-log\.ts/)
  t.is(lines[4].error.code, 'ENOENT')
})

test('a secret that is told to the log is in no line either', async (t) => {
  const code = 'Zx9_abcDEF-0123456789q'
  const openly = await logged('', code)
  const output = await logged('secret', code)
  t.true(openly.split(code).length > 9)
  t.false(output.includes(code))
  t.is(output.split('[secret]').length, openly.split(code).length)
})

test('for the journal a line begins with its priority', async (t) => {
  const output = await logged('journal')
  t.false(output.includes(secret))
  const priorities = output
    .trim()
    .split('\n')
    .map((line) => /^<(\d)>\{/.exec(line)?.[1])
  t.deepEqual(priorities, ['6', '6', '4', '3', '3', '2'])
})

test('what libraries and Node write by themselves is a line of the log, without tokens', async (t) => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    join(import.meta.dirname, '../helpers/write-around-log.ts'),
    token,
  ])
  t.is(stderr, '')
  t.false(stdout.includes(secret))
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const said = (text: RegExp) => lines.some(({ message, error }) => text.test(`${message} ${error?.message}`))
  t.true(said(/Committing transaction .* failed .*FOREIGN KEY/), 'Sequelize')
  t.true(said(/printed \[token\]/) || said(/printed bot\[token\]/), 'console.log')
  t.true(said(/Node warns Possible EventEmitter memory leak/), 'Node')
  t.true(said(/Node warns an experiment with \[token\]/), 'a library')
})
