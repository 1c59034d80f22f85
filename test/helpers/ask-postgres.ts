// Runs one statement on a PostgreSQL database, with its parameters as JSON, and prints the rows as JSON.
import { openPool, withNumberedPlaces } from '../../app/core/database/postgres.ts'
import { placeOf } from '../../app/core/database/settings.ts'

const [url = '', sql = '', parameters = '[]'] = process.argv.slice(2)
const place = placeOf({ DATABASE_URL: url })
if (place.dialect !== 'postgres') throw new Error('this is no address of a PostgreSQL database')
const pool = openPool(place, 1)
const { rows } = await pool.query(withNumberedPlaces(sql), JSON.parse(parameters))
await pool.end()
process.stdout.write(JSON.stringify(rows))
