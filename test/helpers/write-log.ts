// Writes lines with a token or another secret in every place where one may stand: node write-log.ts <token> [journal|secret]
import { readFile } from 'node:fs/promises'
import { createLog } from '../../app/core/log.ts'

const [token = '', mode] = process.argv.slice(2)
const log = createLog('info', { journal: mode === 'journal', secrets: mode === 'secret' ? [token] : [] })
log.info(`calling /bot${token}/getMe`)
log.info({ url: `http://x/bot${token}`, deep: { list: [token] }, [token]: 1 }, 'fields')
log.warn({ reason: encodeURIComponent(token) }, 'encoded')
const cause = new Error(`no answer from bot${token}`)
log.error({ error: new Error(`outer ${token}`, { cause }) }, 'an error')
const missing = await readFile(`/nonexistent/${token}/file_1`).catch((error) => error)
log.error({ error: missing }, 'a system error')
log.fatal({ error: token }, 'something thrown that is no error')
