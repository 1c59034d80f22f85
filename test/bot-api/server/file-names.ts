import type { Kind, Media } from '../cloud/records.ts'

/** Every folder of a bot but `temp`, in which transfers under way lie. */
export const FILE_FOLDERS = [
  'documents',
  'videos',
  'photos',
  'music',
  'voice',
  'video_notes',
  'animations',
  'stickers',
  'thumbnails',
  'profile_photos',
] as const

const FOLDER: Record<Kind, (typeof FILE_FOLDERS)[number]> = {
  document: 'documents',
  video: 'videos',
  photo: 'photos',
  audio: 'music',
  voice: 'voice',
  video_note: 'video_notes',
  animation: 'animations',
}

const USUAL_EXTENSION: Record<Kind, string> = {
  document: '',
  video: 'mp4',
  photo: 'jpg',
  audio: 'mp3',
  voice: 'oga',
  video_note: 'mp4',
  animation: 'mp4',
}

const EXTENSION_OF_TYPE: Record<string, string> = {
  'application/pdf': 'pdf',
  'application/zip': 'zip',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'text/plain': 'txt',
  'video/mp4': 'mp4',
}

export function folderOf(kind: Kind): string {
  return FOLDER[kind]
}

/** The extension of a finished file, without its dot: the sender's, of which letters and digits stay. */
export function extensionOf(media: Pick<Media, 'kind' | 'name' | 'mime_type'>): string {
  const isNamed = media.name !== undefined && media.kind !== 'photo'
  if (!isNamed) return EXTENSION_OF_TYPE[media.mime_type ?? ''] ?? USUAL_EXTENSION[media.kind]
  const name = media.name ?? ''
  const dot = name.lastIndexOf('.')
  if (dot < 0) return ''
  return name
    .slice(dot + 1)
    .replace(/[^\p{L}\p{N}]/gu, '')
    .slice(0, 20)
}
