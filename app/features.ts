import { claim } from './claim/index.ts'
import { download } from './download/index.ts'
import type { Feature } from './house.ts'
import { ingest } from './ingest/index.ts'
import { upkeep } from './upkeep/index.ts'

export const features: Feature[] = [claim, ingest, download, upkeep]
