// Has libraries and Node write to the console: node write-around-log.ts <token>
import { EventEmitter } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { openDatabase } from '../../app/core/database/database.ts'
import { createLog, takeOverConsole } from '../../app/core/log.ts'

const [token = ''] = process.argv.slice(2)
takeOverConsole(createLog('info'))
const dir = await mkdtemp(join(tmpdir(), 'tgdepot-log-'))
{
  const statements = [
    'CREATE TABLE parents (id INTEGER PRIMARY KEY)',
    'CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)',
  ]
  await using database = await openDatabase({ DATABASE_URL: `sqlite:${dir}/x.db` }, [
    { name: 'x-1', statements },
  ])
  // A row whose parent is missing when COMMIT asks for it: Sequelize tells the console.
  await database.transaction(() => database.query('INSERT INTO children VALUES (99)')).catch(() => {})
}
await rm(dir, { recursive: true })
console.log(`printed bot${token}`)
process.emitWarning(`an experiment with ${token}`, 'ExperimentalWarning')
const emitter = new EventEmitter()
for (let listener = 0; listener < 11; listener++) emitter.on('x', () => {})
await setImmediate()
