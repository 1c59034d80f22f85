import { z } from 'zod'

const gibibyte = 2 ** 30

const minFree = z
  .string()
  .regex(/^(\d{1,2}%|\d{1,16})$/, 'must be a percentage like 5%, or bytes')
  .transform((text) => {
    const number = Number(text.replace('%', ''))
    // A share of a small disk may be too little to work with.
    return text.endsWith('%') ? (total: number) => Math.max(gibibyte, (total * number) / 100) : () => number
  })

export const storeSettings = z.object({
  STORAGE_PATH: z.string().default('./data/store'),
  MIN_FREE_DISK: minFree.prefault('5%'),
})

export type StoreSettings = z.output<typeof storeSettings>
