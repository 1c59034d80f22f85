import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import test from 'ava'
import { Catalogue } from '../../app/core/catalogue.ts'

const app = join(import.meta.dirname, '../../app')

const en = { hello: 'Hello', count: (n: number) => `${n} files` }
const texts = new Catalogue({ en, de: { hello: 'Hallo' }, 'pt-br': { hello: 'Olá' } })

test('a text comes in the language of whoever reads it, whatever their region', (t) => {
  t.is(texts.in('de').hello, 'Hallo')
  t.is(texts.in('de-AT').hello, 'Hallo')
  t.is(texts.in('pt-BR').hello, 'Olá')
})

test('English stands in for a language that is unknown, and for a text that a language lacks', (t) => {
  t.is(texts.in('fr').hello, 'Hello')
  t.is(texts.in(undefined).hello, 'Hello')
  t.is(texts.in('pt').hello, 'Hello')
  t.is(texts.in('de').count(2), '2 files')
})

test('one text is to be had in all languages', (t) => {
  t.deepEqual(
    texts.each(({ hello }) => hello),
    { en: 'Hello', de: 'Hallo', 'pt-br': 'Olá' },
  )
})

/** What a catalogue lacks, or has too much, beside English. */
function differences(english: object, other: object): string[] {
  const [all, own] = [new Set(Object.keys(english)), new Set(Object.keys(other))]
  return [
    ...[...all.difference(own)].map((key) => `lacks ${key}`),
    ...[...own.difference(all)].map((key) => `has ${key} alone`),
  ]
}

test('every catalogue has the keys of English, which stands in texts.ts beside it', async (t) => {
  const names = await readdir(app, { recursive: true })
  const english = names.filter((name) => /(^|\/)texts\.ts$/.test(name))
  t.true(english.length >= 3, 'they are found')
  const faults: string[] = []
  for (const name of names) {
    const [, beside, language] = /^(.*\/texts)\.([a-z-]+)\.ts$/.exec(name) ?? []
    if (language === undefined) continue
    const [whole, other] = await Promise.all([import(join(app, `${beside}.ts`)), import(join(app, name))])
    faults.push(...differences(whole, other).map((fault) => `${relative(app, name)} ${fault}`))
  }
  t.deepEqual(faults, [])
})

test('the look at catalogues finds what one lacks', (t) => {
  t.deepEqual(differences(en, { hello: 'Hallo', bye: 'Tschüss' }), ['lacks count', 'has bye alone'])
})
