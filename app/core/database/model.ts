// Only shapes, so that a role which reads them loads no library for it.

/** A column of these tables: BIGINT comes and goes as a number, on both databases. */
export interface Column<T> {
  type: 'text' | 'integer' | 'bigint'
  isKey: boolean
  mayBeNull: boolean
  /** Never there: it carries the type of the values. */
  value?: T
}

type Columns = Record<string, Column<unknown>>

/** A table's name and shape. Its indexes, defaults and references are the migrations' alone. */
export interface Table<C extends Columns = Columns> {
  name: string
  columns: C
}

/** A row as it is read. */
export type RowOf<T extends Table> = {
  [K in keyof T['columns']]: T['columns'][K] extends Column<infer V> ? V : never
}

const column = <T>(type: Column<T>['type']): Column<T> => ({ type, isKey: false, mayBeNull: false })

export const text = column<string>('text')
/** Of 32 bits on PostgreSQL; what is true or false is 1 or 0. */
export const integer = column<number>('integer')
/** Ids, sizes, and times in milliseconds. */
export const bigint = column<number>('bigint')
/** Counted by the database itself where no number is given. */
export const id: Column<number> = { ...bigint, isKey: true }

/** A part of the primary key. */
export const key = <T>(of: Column<T>): Column<T> => ({ ...of, isKey: true })

export const optional = <T>(of: Column<T>): Column<T | null> => ({
  type: of.type,
  isKey: of.isKey,
  mayBeNull: true,
})

export function table<C extends Columns>(name: string, columns: C): Table<C> {
  return { name, columns }
}
