import { unlink } from 'node:fs/promises'
import { codeOf } from './errors.ts'

/**
 * Removes a file; without complaint when there is none. Not rm(), which takes a file that may not be removed
 * (`chattr +i`) for a folder, and says ENOTDIR.
 * @throws what the file system says
 */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
}
