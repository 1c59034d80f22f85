import { appendFile, cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** The line of the example's unit in systemd/manifest. */
const unit =
  'tgdepot-notes.service tgdepot tgdepot.target notes DATABASE_URL ' +
  '/etc/tgdepot/tgdepot.env,/opt/tgdepot/current/deploy/notify-fd.pl,release:notes\n'

export interface Copy extends AsyncDisposable {
  dir: string
}

/**
 * A copy of the program with one feature more: its folder, a line in features.ts, and its unit's file with the line in
 * the manifest. Nothing else is changed.
 */
export async function copyWithExample(): Promise<Copy> {
  const dir = await mkdtemp(join(tmpdir(), 'tgdepot-example-'))
  for (const part of ['app', 'systemd']) {
    await cp(join(root, part), join(dir, part), { recursive: true })
    await cp(join(import.meta.dirname, part), join(dir, part), { recursive: true })
  }
  const parts = ['package.json', 'test/architecture.test.ts', 'test/deploy/manifest.test.ts', 'test/helpers']
  for (const part of parts) await cp(join(root, part), join(dir, part), { recursive: true })
  await symlink(join(root, 'node_modules'), join(dir, 'node_modules'))
  const list = join(dir, 'app/features.ts')
  const source = await readFile(list, 'utf8')
  const withNotes = source.replace(/\]\n$/, ', notes]\n')
  await writeFile(list, `import { notes } from './features/notes/index.ts'\n${withNotes}`)
  await appendFile(join(dir, 'systemd/manifest'), unit)
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}
