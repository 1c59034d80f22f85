// Writes rows in transactions, as one of several processes: node write-rows.ts <address of the database> <name> <transactions>
import { openDatabase } from '../../app/core/database/database.ts'

const [url = '', name = '', count = '0'] = process.argv.slice(2)
const migrations = [
  { name: 'rows-1', statements: ['CREATE TABLE rows (id INTEGER PRIMARY KEY, writer TEXT NOT NULL)'] },
  { name: 'rows-2', statements: ['CREATE TABLE sums (writer TEXT PRIMARY KEY, n INTEGER NOT NULL)'] },
]
await using database = await openDatabase({ DATABASE_URL: url }, migrations)
for (let i = 0; i < Number(count); i++) {
  await database.transaction(async () => {
    await database.query('INSERT INTO rows (writer) VALUES ($1)', name)
    const [{ n } = { n: 0 }] = await database.query<{ n: number }>(
      'SELECT count(*) AS n FROM rows WHERE writer = $1',
      name,
    )
    await database.query(
      'INSERT INTO sums (writer, n) VALUES ($1, $2) ON CONFLICT (writer) DO UPDATE SET n = $2',
      name,
      n,
    )
  })
}
