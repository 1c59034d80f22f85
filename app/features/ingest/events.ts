import type { OwnEvent } from '../../jobs/index.ts'

const stage = 'DOWNLOAD'

/** What happens to files on their way from Telegram. */
export const fileEvents = {
  started: { name: 'DOWNLOAD_STARTED', stage },
  finished: { name: 'DOWNLOAD_FINISHED', stage },
  failed: { name: 'DOWNLOAD_FAILED', stage },
  validated: { name: 'OUTPUT_VALIDATED', stage: 'WORKER' },
} satisfies Record<string, OwnEvent>
