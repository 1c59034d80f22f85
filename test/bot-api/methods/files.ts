import { relative } from 'node:path'
import type { CloudFile, Kind } from '../cloud/records.ts'
import { badRequest, transferFailed } from '../server/api-error.ts'
import type { Bot } from '../server/bot.ts'
import { decodeFileId } from '../server/file-id.ts'
import { extensionOf, folderOf } from '../server/file-names.ts'
import type { Params } from '../server/params.ts'
import { renderFile } from '../server/render.ts'

const CLOUD_LIMIT_BYTES = 20 << 20

/** Answers when the file is complete on this machine's disk. */
export async function getFile(bot: Bot, params: Params): Promise<object> {
  const { options, cloud } = bot.server
  const { kind, file } = readFileId(bot, params.text('file_id'))
  if (!options.isLocal && file.size > CLOUD_LIMIT_BYTES) throw badRequest('file is too big')
  const extension = extensionOf(cloud.mediaOf(file.id) ?? { kind })
  const path = await bot.downloads.fetch(file, folderOf(kind), extension)
  const file_path = options.isLocal ? path : relative(bot.folder.path, path)
  return { ...renderFile(cloud, bot.id, kind, file.id), file_path }
}

/** The file behind a file_id that this bot was given. */
export function readFileId(bot: Bot, text: string): { kind: Kind; file: CloudFile } {
  if (text === '') throw badRequest('file_id not specified')
  const decoded = decodeFileId(text)
  if (!decoded) throw badRequest('invalid file_id')
  const file = bot.server.cloud.files.get(decoded.fileId)
  if (decoded.botId !== bot.id || !file) throw transferFailed()
  return { kind: decoded.kind, file }
}
