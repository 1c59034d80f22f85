import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from './errors.ts'

/**
 * Makes a folder with those above it; without effect when it is there. Not mkdir()'s `recursive`, which never returns
 * where nothing can be made and the system says ENOENT, as below /proc.
 * @throws what the file system says
 */
export async function makeFolder(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  await make().catch(async (error) => {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolder(dirname(path))
    await make()
  })
}
