import test from 'ava'
import { cutName } from '../../app/core/cut-name.ts'
import { nameInUrl } from '../../app/links/url-name.ts'

const names = [
  'plain.txt',
  'two words.txt',
  'Отчёт за год.docx',
  '年度报告 — 最終版.xlsx',
  '\u{1F389} \u{1F468}\u200D\u{1F469}\u200D\u{1F467}.zip',
  'a (1).pdf',
  'what?.txt',
  '#1 & more; 100% + %41.txt',
  `it's "so" <b>*~*</b>.md`,
  'ends in a dot.',
  'dots...',
  'ends in (parentheses)',
  '.hidden',
  '..hidden',
  'a\\b:c|d',
  'README.md',
]

for (const name of names) {
  test(`the address of ${name} gives that name back, and nothing ends it too soon`, (t) => {
    const part = nameInUrl(name)
    t.regex(part, /^\/[A-Za-z0-9._%-]*[A-Za-z0-9_%-]$/)
    t.is(decodeURIComponent(part), `/${name}`)
    const address = `https://files.example.org/download/a1b2c3d4${part}`
    t.is(new URL(address).href, address)
  })
}

test('names that lead elsewhere are left out of the address', (t) => {
  for (const name of ['', '.', '..', '...']) t.is(nameInUrl(name), '')
})

test('an address does not grow with its name without end, and keeps the extension', (t) => {
  for (const [name, extension] of [
    [`${'я'.repeat(120)}.tar.gz`, '.tar.gz'],
    [`${'\u{1F468}\u200D\u{1F469}\u200D\u{1F467}'.repeat(20)}.mp4`, '.mp4'],
    ['x'.repeat(255), ''],
  ] as const) {
    const part = nameInUrl(name)
    t.true(part.length <= 3 * 128 + 1)
    t.true(part.endsWith(extension))
    const kept = decodeURIComponent(part).slice(
      1,
      part.endsWith(extension) ? -extension.length || undefined : undefined,
    )
    t.true(name.startsWith(kept))
  }
})

test('half a character in a name does no harm', (t) => {
  t.notThrows(() => nameInUrl('a\ud83d.txt'))
})

test('a name is cut between visible characters', (t) => {
  const family = '\u{1F468}\u200D\u{1F469}\u200D\u{1F467}'
  t.is(cutName(`${family}${family}.txt`, 30), `${family}.txt`)
  t.is(cutName('short.txt', 9), 'short.txt')
})

test('an address is short enough for wget and curl -O to save under, in any script', (t) => {
  for (const name of [`${'ж'.repeat(60)}.pdf`, `${'報'.repeat(42)}.tar.gz`, '('.repeat(128)]) {
    t.true(nameInUrl(name).length <= 1 + 236, name)
    t.true(nameInUrl(name).endsWith(/(?:\.tar)?\.\w+$/.exec(name)?.[0] ?? '%28'))
  }
})

test('of a heap of accents as much is kept as has room', (t) => {
  const name = `Z${'\u0301'.repeat(100)}.txt`
  const kept = decodeURIComponent(nameInUrl(name)).slice(1)
  t.regex(kept, /^Z\u0301{20,}\.txt$/)
})
