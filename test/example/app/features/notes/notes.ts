import type { RoleContext } from '../../context.ts'

/** Milliseconds between two reports; below those after which a part counts as silent. */
const interval = 10_000

/** The role of this feature: it says how many notes wait to be counted. */
export async function startNotes({ database, health, log }: RoleContext): Promise<AsyncDisposable> {
  const look = async () => {
    const [row] = await database.query<{ uncounted: number }>(
      'SELECT COUNT(*) AS uncounted FROM notes WHERE counted IS NULL',
    )
    await health.report('notes', { ok: true, detail: `${row?.uncounted} to be counted` })
  }
  await look()
  const timer = setInterval(() => {
    look().catch((error) => log.error({ error }, 'notes cannot be counted'))
  }, interval)
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
    },
  }
}
