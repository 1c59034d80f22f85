import test from 'ava'
import { about, apart, bytes, counted, duration, moment } from '../../app/core/format.ts'

const sizes: [count: number, text: string][] = [
  [0, '0 B'],
  [1, '1 B'],
  [999, '999 B'],
  [1000, '1 kB'],
  [1500, '1.5 kB'],
  [100_000, '100 kB'],
  [5_000_000, '5 MB'],
  [2 * 1024 ** 3, '2.1 GB'],
  [4_194_304_000, '4.2 GB'],
  [999_999, '1 MB'],
  [1e12, '1 TB'],
  [2e18, '2000 PB'],
]

for (const [count, text] of sizes) test(`${count} bytes are ${text}`, (t) => t.is(bytes(count), text))

const pairs: [one: number, other: number, texts: [string, string]][] = [
  [3e9, 2e9, ['3 GB', '2 GB']],
  [2_010_000_000, 2e9, ['2.01 GB', '2 GB']],
  [2_147_483_649, 2_147_483_648, ['2 147 483 649 bytes', '2 147 483 648 bytes']],
  [1, 2, ['1 B', '2 B']],
]

for (const [one, other, texts] of pairs)
  test(`${one} and ${other} bytes are told apart`, (t) => t.deepEqual(apart(one, other), texts))

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

const waits: [seconds: number, text: string][] = [
  [-3, 'less than a minute'],
  [60, 'less than a minute'],
  [61, 'about 2 min'],
  [600, 'about 10 min'],
  [601, 'about 15 min'],
  [3601, 'about 1 h 5 min'],
]

for (const [seconds, text] of waits)
  test(`a wait of ${seconds} seconds is ${text}`, (t) => t.is(about(seconds), text))

test('a moment has its day, its time and its zone', (t) => {
  t.is(moment(Date.UTC(2027, 0, 7, 4, 5, 59)), '7 January 2027, 04:05 UTC')
})

test('one is not many', (t) => {
  t.deepEqual([counted(0, 'file'), counted(1, 'file'), counted(2, 'file')], ['0 files', '1 file', '2 files'])
})
