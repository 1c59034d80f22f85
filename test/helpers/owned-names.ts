import { partOf } from './imports.ts'

/** A name that stands in a folder to which it does not belong. */
export interface Stray {
  file: string
  name: string
  owner: string
}

/** The text of a source without its comments, which may name what they like. */
const codeOf = (source: string) => source.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '')

/** The folder of each table: who creates it, or declares its model. */
export function tablesOf(sources: Map<string, string>): Map<string, string> {
  const made = /\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)|\btableName: '(\w+)'/g
  return new Map(
    [...sources].flatMap(([file, source]) =>
      [...codeOf(source).matchAll(made)].map(([, table, ofModel]): [string, string] => [
        table ?? ofModel ?? '',
        partOf(file),
      ]),
    ),
  )
}

/** Tables that are named outside their folder: in SQL, as a model, or anywhere when the name is no plain word. */
export function strayTables(sources: Map<string, string>): Stray[] {
  return [...tablesOf(sources)].flatMap(([name, owner]) => {
    const inSql = `\\b(?:FROM|JOIN|INTO|UPDATE|TABLE|EXISTS|REFERENCES|ON|USING)\\s+"?${name}\\b`
    const asModel = `(?:\\bmodel\\(|\\btableName: )'${name}'`
    const pattern = new RegExp(name.includes('_') ? `\\b${name}\\b` : `${inSql}|${asModel}`)
    return strays(sources, name, owner, pattern)
  })
}

/** The folders of the features that do jobs: each kind says how many run at a time, or in which lane. */
function withJobs(sources: Map<string, string>): string[] {
  const files = [...sources].filter(([, source]) => /\b(?:concurrency|lane): /.test(codeOf(source)))
  return [...new Set(files.map(([file]) => partOf(file)))].filter((folder) => folder.startsWith('features/'))
}

/** Names that begin with a feature's that does jobs, as those of its kinds and their keys do, in quotes elsewhere. */
export function strayKinds(sources: Map<string, string>): Stray[] {
  return withJobs(sources).flatMap((owner) => {
    const name = owner.replace(/^features\//, '')
    return strays(sources, name, owner, new RegExp(`['"\`]${name}(?:[-:][^'"\`]*)?['"\`]`))
  })
}

/** A constant of a type of jobs, or a kind as it is written into a row. */
const declaredKind = /: \w+Type(?:<[^=]*>)? = \{[^}]*?\bname: '([^']+)'|\bkind: '([^']+)'/g

/** Kinds of jobs that do not begin with their feature's name, so that {@link strayKinds} would not know them. */
export function misnamedKinds(sources: Map<string, string>): string[] {
  return [...sources].flatMap(([file, source]) => {
    const [, feature] = /^features\/([^/]+)\//.exec(file) ?? []
    if (feature === undefined) return []
    const kinds = [...codeOf(source).matchAll(declaredKind)]
    return kinds
      .map(([, declared, named]) => declared ?? named ?? '')
      .filter((kind) => kind !== feature && !kind.startsWith(`${feature}-`))
      .map((kind) => `${file}: ${kind}`)
  })
}

function strays(sources: Map<string, string>, name: string, owner: string, pattern: RegExp): Stray[] {
  return [...sources]
    .filter(([file, source]) => partOf(file) !== owner && pattern.test(codeOf(source)))
    .map(([file]) => ({ file, name, owner }))
}
