import type { Cloud } from './cloud.ts'
import { addFile } from './file-bytes.ts'
import type { CloudFile, Kind } from './records.ts'

/** Telegram makes smaller pictures of every photo; here they are files of their own, of other bytes. */
export function smallerSizes(cloud: Cloud, kind: Kind, file: CloudFile): number[] | undefined {
  if (kind !== 'photo') return undefined
  return [40, 10, 3].map((part) => {
    const size = Math.max(1, Math.floor(file.size / part))
    return addFile(cloud, { size }, `${file.unique_id}s${part}`).id
  })
}
