import test from 'ava'
import { classify } from '../../app/ingest/failures.ts'
import { SizeMismatch, TooLarge } from '../../app/store/index.ts'
import { ForeignPath, TelegramRefusal, TelegramUnreachable } from '../../app/telegram/index.ts'

const withCode = (code: string) => Object.assign(new Error(code), { code })
const refused = (code: number, description = '') => new TelegramRefusal('getFile', code, description)

const errors: [title: string, error: unknown, type: string, passing: boolean][] = [
  ['a full disk', withCode('ENOSPC'), 'NO_ROOM', true],
  ['a used-up quota', withCode('EDQUOT'), 'NO_ROOM', true],
  ['a file of another size', new SizeMismatch(10, 9), 'SIZE_MISMATCH', true],
  ['a file over the limit', new TooLarge(), 'SIZE_LIMIT', false],
  ['a path outside', new ForeignPath('x'), 'FOREIGN_PATH', false],
  ['an invalid file_id', refused(400, 'Bad Request: invalid file_id'), 'FILE_GONE', false],
  ['a file too big', refused(400, 'Bad Request: file is too big'), 'SIZE_LIMIT', false],
  ['a flood wait', refused(429, 'Too Many Requests: retry after 5'), 'RATE_LIMIT', true],
  ['a fault of the server', refused(500, 'Internal Server Error'), 'NETWORK_ERROR', true],
  ['a server that is down', new TelegramUnreachable('getFile', 'ECONNREFUSED'), 'NETWORK_ERROR', true],
  ['a cut connection', new TelegramUnreachable('getFile', 'CUT'), 'NETWORK_ERROR', true],
  ['another refusal', refused(400, 'Bad Request: whatever'), 'HTTP_ERROR', false],
  ['a fault of the program', new TypeError('x is not a function'), 'UNKNOWN', false],
  ['something thrown that is no error', 'text', 'UNKNOWN', false],
]

for (const [title, error, errorType, passing] of errors) {
  test(`${title} is ${errorType}, which ${passing ? 'may pass' : 'does not pass'}`, (t) => {
    const failure = classify(error)
    t.like(failure, { errorType, passing })
    t.regex(failure.reason, /\.$/)
    t.notRegex(failure.reason, /[A-Z]{3}_|undefined/)
  })
}
