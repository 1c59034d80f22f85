import test from 'ava'
import { startBotApi } from '../bot-api/client.ts'
import { linkFor, linkIn, saidIn } from '../helpers/chat.ts'
import { disagreements } from '../helpers/consistency.ts'
import { startRoles } from '../helpers/start-roles.ts'
import { until } from '../helpers/until.ts'

test.serial(
  'a job that another worker has taken over is not completed by the first, and has one link in the end',
  async (t) => {
    t.timeout(60_000)
    await using api = await startBotApi()
    await using roles = await startRoles(api)
    const { bot } = roles
    await api.settings({ download_bytes_per_second: 0 })
    const sent = await api.sendFile()
    await until('its transfer is under way', async () => (await api.state()).bots[0]?.downloads.length === 1)
    // Of another machine, so that only its lease tells whether it is alive.
    bot.sql(`UPDATE jobs SET worker = 'elsewhere:1:1'`)
    await api.settings({ download_bytes_per_second: null })
    await bot.log(({ message }) => message === 'transfer failed', 10_000)
    t.deepEqual(bot.sql('SELECT status, worker FROM jobs'), [{ status: 'RUNNING', worker: 'elsewhere:1:1' }])
    t.deepEqual(bot.sql('SELECT uuid FROM links'), [])
    const { messages } = await api.chat(sent.chat_id)
    t.true(messages.every((message) => !linkIn(message)))

    bot.sql('UPDATE jobs SET lease_until = 1')
    await bot.restart('SIGKILL')
    const link = await linkFor(api, sent)
    t.deepEqual(bot.sql('SELECT uuid FROM links'), [{ uuid: link.uuid }])
    t.deepEqual(bot.sql('SELECT status FROM jobs'), [{ status: 'COMPLETED' }])
    t.is((await saidIn(api, sent.chat_id)).length, 1)
    t.deepEqual(await disagreements(bot), [])
  },
)
