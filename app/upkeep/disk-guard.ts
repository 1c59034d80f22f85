import type { PartHealth } from '../core/health.ts'
import { reserveSize } from '../core/reserve.ts'
import type { BotHouse } from '../house.ts'
import type { Room } from '../store/index.ts'

/** Watches the disk, tells /health and, when it runs low, the administrators. */
export class DiskGuard {
  readonly #house: BotHouse
  #low = false

  constructor(house: BotHouse) {
    this.#house = house
  }

  async look(): Promise<void> {
    const { telegram, health, store } = this.#house
    const room = await store.room()
    const isLow = room.spare <= 0 || !(await this.#keepReserve(room))
    await telegram.reportHealth()
    await health.report('store', await this.#probe())
    await health.report('disk', { ok: !isLow, detail: describe(room) })
    if (isLow !== this.#low) await this.#say(room, isLow)
    this.#low = isLow
  }

  /** The reserve was given up when the disk was full; it is taken again when there is room beside it. */
  async #keepReserve({ spare }: Room): Promise<boolean> {
    const { database, log } = this.#house
    if (await database.reserve.isHeld()) return true
    if (spare <= reserveSize) return false
    return await database.reserve.hold().then(
      () => true,
      (error) => {
        log.warn({ error }, 'no room for the database reserve')
        return false
      },
    )
  }

  async #say(room: Room, low: boolean): Promise<void> {
    const { log, telegram, users } = this.#house
    if (low) log.warn({ free: room.free }, 'disk low: new files wait')
    else log.info({ free: room.free }, 'disk has room again')
    const text = low
      ? `The disk is nearly full: ${describe(room)}. New files wait until there is room.`
      : `The disk has room again: ${describe(room)}.`
    for (const chatId of users.administrators) await telegram.messages.post({ chatId, text })
  }

  async #probe(): Promise<PartHealth> {
    return await this.#house.store.probe().then(
      () => ({ ok: true, detail: 'writable' }),
      () => ({ ok: false, detail: 'not writable' }),
    )
  }
}

function describe({ free, total }: Room): string {
  return `${(free / 2 ** 30).toFixed(1)} GiB free (${Math.round((free / total) * 100)} %)`
}
