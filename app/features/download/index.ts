import type { Feature } from '../../context.ts'
import { downloadSettings } from './settings.ts'

/** What a link gives to who opens it. */
export const download: Feature<typeof downloadSettings> = {
  name: 'download',
  settings: downloadSettings,
  async web(context, settings) {
    const { routes } = await import('./web.ts')
    return routes(context, settings)
  },
}
