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

const app = join(import.meta.dirname, '../../app')

async function foldersOf(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

const features = (await foldersOf(join(app, 'features'))).map((name) => `features/${name}`)

/** Folders of what features are built on. */
const modules = (await foldersOf(app)).filter((name) => !['core', 'run', 'roles', 'features'].includes(name))

/** Who may import whom; of `context.ts` types only, see below. */
const allowed: Record<string, string[]> = {
  'main.ts': ['run', 'roles.ts', 'context.ts', ...modules, 'core'],
  run: ['roles', 'roles.ts', 'declarations.ts', 'features.ts', 'context.ts', ...modules, 'core'],
  roles: ['declarations.ts', 'features.ts', 'context.ts', ...modules, 'core'],
  'roles.ts': ['features.ts', 'context.ts', ...modules, 'core'],
  'declarations.ts': ['features.ts', 'modules.ts', 'core'],
  'features.ts': ['context.ts', ...features],
  'modules.ts': [...modules, 'core'],
  'context.ts': [...modules, 'core'],
  ...Object.fromEntries(features.map((feature) => [feature, ['context.ts', ...modules, 'core']])),
  ...Object.fromEntries(modules.map((name) => [name, ['core']])),
  core: [],
}

/** Packages that only these folders know of. */
const keepers: Record<string, string[]> = {
  sequelize: ['core'],
  pg: ['core'],
  'node:sqlite': ['core'],
  pino: ['core'],
  'node-cron': ['core'],
  telegraf: ['telegram'],
  'telegraf/types': ['telegram'],
  koa: ['core'],
  '@koa/router': ['core'],
}

/** The module, feature, or file beside main.ts to which a path belongs. */
export function partOf(path: string): string {
  const [folder = path, name = ''] = path.split('/')
  return folder === 'features' ? `${folder}/${name}` : folder
}

/** What is wrong with one import, or undefined. */
export function faultOf({ from, to, isPackage, isType }: Import): string | undefined {
  const [part, target] = [partOf(from), partOf(to)]
  if (!(part in allowed)) return `${from}: ${part} has no place in the table`
  if (isPackage) {
    const may = keepers[to]
    return may && !may.includes(part) ? `${from} imports ${to}, which is for ${may.join(', ')}` : undefined
  }
  if (part === target) return undefined
  if (!allowed[part]?.includes(target)) return `${from} imports ${to}: ${part} may not import ${target}`
  if (target === 'context.ts' && !isType) return `${from} imports context.ts not only for its types`
  if (part === 'context.ts' && !isType) return `context.ts imports ${to} not only for its types`
  const isFree = ['core', 'run', 'roles'].includes(target) || to === target
  // What a module declares is loaded without its code.
  const faces = modules.includes(target) ? ['index.ts', 'module.ts'] : ['index.ts']
  if (!isFree && !faces.some((face) => to === `${target}/${face}`))
    return `${from} imports ${to}: from another folder only ${faces.join(' and ')}`
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
