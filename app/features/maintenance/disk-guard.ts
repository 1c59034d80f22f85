import type { BotContext } from '../../context.ts'
import { reserveSize } from '../../core/database/reserve.ts'
import { bytes } from '../../core/format.ts'
import type { DiskSpace } from '../../store/index.ts'
import type { Notices } from './notices.ts'

/** Watches the disks, tells /health and, when one runs low, the administrators. */
export class DiskGuard {
  readonly #context: BotContext
  readonly #notices: Notices
  #low: boolean | undefined

  constructor(context: BotContext, notices: Notices) {
    this.#context = context
    this.#notices = notices
  }

  async look(): Promise<void> {
    const { health, metrics, store, log } = this.#context
    const rooms = (await store.disks()).sort((a, b) => a.spare - b.spare)
    for (const { of, free } of rooms) metrics.set('tgdepot_disk_free_bytes', free, { of })
    const [tightest] = rooms
    // Without a disk in sight there is no room to speak of; that the store is not there is said elsewhere.
    if (tightest === undefined) return await health.report('disk', { ok: false, detail: 'not there' })
    const wasLow = this.#low ?? (await this.#notices.isOpen('disk'))
    // Well again only at a distance from the limit: at its edge it would be low and well by turns.
    const limit = (room: DiskSpace) => (wasLow ? room.margin : 0)
    const isLow = rooms.some((room) => room.spare <= limit(room)) || !(await this.#keepReserve(rooms))
    this.#low = isLow
    await health.report('disk', { ok: !isLow, detail: rooms.map((room) => describe(room, rooms)).join(', ') })
    if (isLow !== wasLow) {
      const facts = { free: tightest.free, of: tightest.of }
      if (isLow) log.warn(facts, 'disk low: new files wait')
      else log.info(facts, 'disk has room again')
    }
    const what = `disk${rooms.length > 1 ? ` of ${tightest.of}` : ''}`
    const text = describe(tightest, [])
    if (isLow)
      await this.#notices.say(
        'disk',
        `The ${what} is nearly full: ${text}. New files wait until there is room.`,
      )
    else await this.#notices.over('disk', `The disk has room again: ${text}.`)
  }

  /** The reserve was given up when the disk was full; it is taken again when there is room beside it. */
  async #keepReserve(rooms: DiskSpace[]): Promise<boolean> {
    const {
      database: { reserve },
      log,
    } = this.#context
    if (reserve === undefined || (await reserve.isHeld())) return true
    if (rooms.some(({ spare }) => spare <= reserveSize)) return false
    return await reserve.hold().then(
      () => true,
      (error) => {
        log.warn({ error }, 'no room for the database reserve')
        return false
      },
    )
  }
}

function describe({ of, free, total }: DiskSpace, all: DiskSpace[]): string {
  const text = `${bytes(free)} free (${Math.round((free / total) * 100)} %)`
  return all.length > 1 ? `${of}: ${text}` : text
}
