/** The folders that the names are spread over. */
export const shards = Array.from({ length: 256 }, (_, shard) => shard.toString(16).padStart(2, '0'))

/** The name below the store's root, which nginx knows as well. */
export function nameOf(uuid: string): string {
  return `${uuid.slice(0, 2)}/${uuid}`
}

/** For files that are not whole: their names end with the process that writes them. */
export const incoming = 'incoming'

/** For files that nobody knows. */
export const quarantine = 'quarantine'
