import test from 'ava'
import { TelegramRefusal, TelegramUnreachable } from '../../../app/core/bot-api.ts'
import { classify, type Fault } from '../../../app/features/ingest/failures.ts'
import { JobCrashes, OtherBot } from '../../../app/jobs/index.ts'
import { SizeMismatch, TooLarge } from '../../../app/store/index.ts'
import { ForeignPath, LargerThanAnnounced, Stalled } from '../../../app/telegram/index.ts'

const withCode = (code: string) => Object.assign(new Error(code), { code })
const refused = (code: number, description = '') => new TelegramRefusal('getFile', code, description)

const errors: [title: string, error: unknown, type: string, retryable: boolean, fault: Fault][] = [
  ['a full disk', withCode('ENOSPC'), 'NO_ROOM', true, 'room'],
  ['a used-up quota', withCode('EDQUOT'), 'NO_ROOM', true, 'room'],
  ['a file of another size', new SizeMismatch(10, 9), 'SIZE_MISMATCH', true, 'file'],
  ['a file of which more comes', new LargerThanAnnounced('x'), 'SIZE_MISMATCH', true, 'file'],
  ['a file over the limit', new TooLarge(), 'SIZE_LIMIT', false, 'file'],
  ['a path outside', new ForeignPath('x'), 'FOREIGN_PATH', true, 'machine'],
  ['an invalid file_id', refused(400, 'Bad Request: invalid file_id'), 'FILE_GONE', false, 'file'],
  ['a file too big', refused(400, 'Bad Request: file is too big'), 'SIZE_LIMIT', false, 'file'],
  ['a flood wait', refused(429, 'Too Many Requests: retry after 5'), 'RATE_LIMIT', true, 'flood'],
  ['a fault of the server', refused(500, 'Internal Server Error'), 'NETWORK_ERROR', true, 'telegram'],
  [
    'a server that is down',
    new TelegramUnreachable('getFile', 'ECONNREFUSED'),
    'NETWORK_ERROR',
    true,
    'telegram',
  ],
  ['a cut connection', new TelegramUnreachable('getFile', 'CUT'), 'NETWORK_ERROR', true, 'telegram'],
  ['another refusal', refused(400, 'Bad Request: whatever'), 'HTTP_ERROR', false, 'telegram'],
  ['a fault of the program', new TypeError('x is not a function'), 'UNKNOWN', true, 'machine'],
  ['a disk that takes no more writes', withCode('EROFS'), 'UNKNOWN', true, 'machine'],
  ['a file that may not be read', withCode('EACCES'), 'UNKNOWN', true, 'machine'],
  ['a disk that fails', withCode('EIO'), 'UNKNOWN', true, 'machine'],
  ['a mount that has gone', withCode('ESTALE'), 'UNKNOWN', true, 'machine'],
  ['too many open files', withCode('EMFILE'), 'UNKNOWN', true, 'machine'],
  ['a token that is refused', refused(401, 'Unauthorized'), 'NETWORK_ERROR', true, 'telegram'],
  ['a file of which nothing comes', new Stalled('x'), 'STALLED', true, 'stall'],
  ['a job that takes the process along', new JobCrashes('x'), 'CRASH', false, 'file'],
  ['a job of another bot', new OtherBot('x'), 'OTHER_BOT', false, 'file'],
  ['something thrown that is no error', 'text', 'UNKNOWN', true, 'machine'],
]

for (const [title, error, errorType, retryable, fault] of errors) {
  test(`${title} is ${errorType}, which ${retryable ? 'may pass' : 'does not pass'}`, (t) => {
    const failure = classify(error)
    t.like(failure, { errorType, retryable, fault })
    t.regex(failure.reason, /\.$/)
    t.notRegex(failure.reason, /[A-Z]{3}_|undefined/)
  })
}
