import { randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Queries } from '../core/database/reader.ts'
import { codeOf, StartError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { nameOf, quarantine, shards } from './layout.ts'
import type { StoreRow } from './store.model.ts'

/** In the store's root; holds the id of the store. nginx looks for it too, to tell a lost file from a lost store. */
const marker = '.tgdepot-store'

/** The id in a store's marker, or undefined when there is none. @throws what the file system says */
export async function readMarker(root: string): Promise<string | undefined> {
  try {
    return (await readFile(join(root, marker), 'utf8')).trim()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Has a database that was copied describe the store under an id of its own, which its first bot writes into the marker:
 * from then on the old one is a stranger's, and cannot be worked with by mistake. Until then it still can.
 */
export async function renewIdentity(database: Queries): Promise<void> {
  await database.query('UPDATE store SET replaces = id, id = $1', randomUUID())
}

/** What the links say of the files that should be in the store. */
export interface Claims {
  /** Whether there ever was a link. */
  any: boolean
  /** Some of the links in force. */
  sample: string[]
  /** Whether a link, or a job that has not recorded its link yet, knows one of these names. */
  knowAny(names: string[]): Promise<boolean>
}

/** Names of the store of which one must be known. */
const maxAsked = 200

/**
 * Whether the folder is the store that the database describes: both hold the same id. A folder without its marker is an
 * empty mount point, another disk, or wiped; a database without an id is a new one, or the wrong one.
 */
export class Identity {
  readonly #root: string
  readonly #database: Pick<Queries, 'query'>
  #recorded: string | undefined
  #replaced: string | undefined

  constructor(root: string, database: Pick<Queries, 'query'>) {
    this.#root = root
    this.#database = database
  }

  /**
   * Makes database and store known to each other where that is safe: on the first installation, and on the upgrade of
   * one that had no ids. May be repeated, also after a crash between its steps.
   * @throws StartError when they belong to others
   */
  async introduce(claims: Claims): Promise<void> {
    const recorded = await this.#read()
    const marked = await readMarker(this.#root).catch((error) => {
      // A store that is known, or has links, is waited for.
      if (recorded !== undefined || claims.any) return undefined
      throw new StartError(`STORAGE_PATH: ${this.#root} cannot be written to (${codeOf(error)})`)
    })
    if (recorded !== undefined) {
      if (marked === undefined || marked === recorded) return
      if (marked !== this.#replaced) throw this.#stranger('is the store of another database')
      // From now on it is not the store of the database that was left.
      return await this.#mark(recorded).catch((error) => {
        throw new StartError(`STORAGE_PATH: ${this.#root} cannot be written to (${codeOf(error)})`)
      })
    }
    const names = await this.#names()
    const isOurs = (await this.#holdsAny(claims.sample)) || (await claims.knowAny(names))
    if (!isOurs) {
      const isUpgrade = claims.any && claims.sample.length === 0 && marked === undefined
      if (!isUpgrade && names.length > 0) {
        throw this.#stranger(
          claims.any
            ? 'holds files, but not one of those that this database has links to'
            : 'holds files, but this database knows no store and has no links',
        )
      }
      // An empty folder beside links in force: the store is elsewhere.
      if (claims.sample.length > 0) return
    }
    await this.#join(marked)
  }

  /** Whether it holds files, and the database describes no store. */
  async isUnknown(): Promise<boolean> {
    return (await this.#read()) === undefined && (await this.#names()).length > 0
  }

  /** Why the store is not to be touched now; undefined when it is there, or `ifKnown`, when the database knows none. */
  async absence({ ifKnown = false } = {}): Promise<string | undefined> {
    const recorded = this.#recorded ?? (await this.#read())
    if (ifKnown && recorded === undefined) return undefined
    try {
      const marked = await readMarker(this.#root)
      if (marked === undefined) return 'its marker is not there'
      return marked === recorded || marked === this.#replaced ? undefined : 'another store is in its place'
    } catch (error) {
      return `its marker cannot be read (${codeOf(error)})`
    }
  }

  /** The owner's word that this folder is the store of this database. */
  async accept(): Promise<void> {
    const recorded = await this.#read()
    const id = recorded ?? randomUUID()
    await this.#mark(id)
    if (recorded === undefined) await this.#record(id)
  }

  /** The marker first: one that no database knows, in an empty store, is taken up by the next start. */
  async #join(marked: string | undefined): Promise<void> {
    const id = marked ?? randomUUID()
    try {
      if (marked === undefined) await this.#mark(id)
    } catch (error) {
      throw new StartError(`STORAGE_PATH: ${this.#root} cannot be written to (${codeOf(error)})`)
    }
    await this.#record(id)
  }

  async #record(id: string): Promise<void> {
    await this.#database.query('INSERT INTO store (id, recorded_at) VALUES ($1, $2)', id, Date.now())
    this.#recorded = id
  }

  async #read(): Promise<string | undefined> {
    // All columns: who looks before an upgrade finds one less.
    const [row] = await this.#database.query<StoreRow>('SELECT * FROM store')
    this.#recorded = row?.id
    this.#replaced = row?.replaces ?? undefined
    return this.#recorded
  }

  async #mark(id: string): Promise<void> {
    await makeFolder(this.#root)
    const path = join(this.#root, marker)
    const file = await open(`${path}.new`, 'w', 0o644)
    try {
      await file.writeFile(`${id}\n`)
      await file.chmod(0o644)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path).catch(async (error) => {
      await rm(`${path}.new`, { force: true })
      throw error
    })
    const folder = await open(this.#root, 'r')
    await folder.sync().finally(() => folder.close())
  }

  async #holdsAny(uuids: string[]): Promise<boolean> {
    for (const uuid of uuids) {
      const stats = await stat(join(this.#root, nameOf(uuid))).catch(() => undefined)
      if (stats) return true
    }
    return false
  }

  /** Some of the names that it holds. */
  async #names(): Promise<string[]> {
    const found: string[] = []
    for (const folder of [...shards, quarantine]) {
      found.push(...(await readdir(join(this.#root, folder)).catch(() => [])))
      if (found.length >= maxAsked) break
    }
    return found.slice(0, maxAsked)
  }

  #stranger(what: string): StartError {
    return new StartError(
      `STORAGE_PATH: ${this.#root} ${what}. Check whether DATABASE_URL and STORAGE_PATH are right, their disks ` +
        'mounted, and the database no old copy. Only if they do belong together: tgdepot accept-store',
    )
  }
}
