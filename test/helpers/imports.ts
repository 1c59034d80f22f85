import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'

export interface Import {
  /** Path of the importing file below app/. */
  from: string
  /** Path of the imported file below app/, or the name of a package. */
  to: string
  isPackage: boolean
  /** Erased at run time. */
  isType: boolean
}

const statement =
  /^(?:import|export)\s+(type\s)?[^'"`;]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm

/** The imports of one source. `import { type A }` counts as one of values, as Node loads the file for it. */
export function importsOf(from: string, source: string): Import[] {
  return [...source.matchAll(statement)].map(([, type, named, bare, lazy]) => {
    const target = named ?? bare ?? lazy ?? ''
    const isPackage = !target.startsWith('.')
    const to = isPackage ? target : normalize(join(dirname(from), target))
    return { from, to, isPackage, isType: type !== undefined }
  })
}

/** The TypeScript sources below `root` by their path there. */
export async function readSources(root: string): Promise<Map<string, string>> {
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.ts')).sort()
  return new Map(
    await Promise.all(
      names.map(async (name): Promise<[string, string]> => [name, await readFile(join(root, name), 'utf8')]),
    ),
  )
}

const owners = ['telegram', 'users', 'store', 'links', 'jobs']
const features = ['claim', 'ingest', 'download', 'upkeep']

/** Who may import whom; of `house.ts` types only, see below. */
const allowed: Record<string, string[]> = {
  'main.ts': ['bot.ts', 'web.ts', 'owner.ts', 'check.ts', 'features.ts', 'house.ts', ...owners, 'core'],
  'bot.ts': ['features.ts', 'house.ts', ...owners, 'core'],
  'web.ts': ['features.ts', 'house.ts', ...owners, 'core'],
  'owner.ts': ['house.ts', ...owners, 'core'],
  'check.ts': ['store', 'core'],
  'features.ts': ['house.ts', ...features],
  'house.ts': [...owners, 'core'],
  ...Object.fromEntries(features.map((feature) => [feature, ['house.ts', ...owners, 'core']])),
  ...Object.fromEntries(owners.map((owner) => [owner, ['core']])),
  core: [],
}

/** Packages that only these rooms know of. */
const keepers: Record<string, string[]> = {
  sequelize: ['core'],
  'node:sqlite': ['core'],
  pino: ['core'],
  'node-cron': ['core'],
  koa: ['core', 'download', 'upkeep'],
  '@koa/router': ['core', 'download', 'house.ts'],
}

const roomOf = (path: string): string => path.split('/')[0] ?? path

/** What is wrong with one import, or undefined. */
export function faultOf({ from, to, isPackage, isType }: Import): string | undefined {
  const [room, target] = [roomOf(from), roomOf(to)]
  if (!(room in allowed)) return `${from}: ${room} has no place in the table`
  if (isPackage) {
    const may = keepers[to]
    return may && !may.includes(room) ? `${from} imports ${to}, which is for ${may.join(', ')}` : undefined
  }
  if (room === target) return undefined
  if (!allowed[room]?.includes(target)) return `${from} imports ${to}: ${room} may not import ${target}`
  if (target === 'house.ts' && !isType) return `${from} imports house.ts not only for its types`
  if (room === 'house.ts' && !isType) return `house.ts imports ${to} not only for its types`
  if (target !== 'core' && to.includes('/') && to !== `${target}/index.ts`) {
    return `${from} imports ${to}: from another folder only index.ts`
  }
  return undefined
}

/** A circle of imports that are there at run time, as a list of files, or undefined. */
export function circleIn(imports: Import[]): string[] | undefined {
  const next = new Map<string, string[]>()
  for (const { from, to, isPackage, isType } of imports) {
    if (!isPackage && !isType) next.set(from, [...(next.get(from) ?? []), to])
  }
  const done = new Set<string>()
  const visit = (file: string, path: string[]): string[] | undefined => {
    const at = path.indexOf(file)
    if (at >= 0) return [...path.slice(at), file]
    if (done.has(file)) return undefined
    for (const target of next.get(file) ?? []) {
      const circle = visit(target, [...path, file])
      if (circle) return circle
    }
    done.add(file)
    return undefined
  }
  for (const file of next.keys()) {
    const circle = visit(file, [])
    if (circle) return circle
  }
  return undefined
}
