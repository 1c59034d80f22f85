import type { Feature } from './context.ts'
import { claim } from './features/claim/index.ts'
import { download } from './features/download/index.ts'
import { ingest } from './features/ingest/index.ts'
import { maintenance } from './features/maintenance/index.ts'

export const features: Feature[] = [claim, ingest, download, maintenance]
