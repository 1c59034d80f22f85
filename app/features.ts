import { download } from './download/index.ts'
import type { Feature } from './house.ts'
import { ingest } from './ingest/index.ts'
import { upkeep } from './upkeep/index.ts'

export const features: Feature[] = [ingest, download, upkeep]
