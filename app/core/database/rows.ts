import {
  DataTypes,
  type Model,
  type ModelStatic,
  type Sequelize,
  type Transaction,
  type WhereOptions,
} from 'sequelize'
import type { RowOf, Table } from './model.ts'

const types = { text: DataTypes.TEXT, integer: DataTypes.INTEGER, bigint: DataTypes.BIGINT }

type ModelFor<T extends Table> = ModelStatic<Model<RowOf<T>, Partial<RowOf<T>>>>

/** The table as a model of Sequelize; reads give plain rows. */
export function modelOf<T extends Table>(sequelize: Sequelize, { name, columns }: T): ModelFor<T> {
  if (sequelize.isDefined(name)) return sequelize.model(name) as ModelFor<T>
  const attributes = Object.entries(columns).map(([column, { type, isKey, mayBeNull }]) => {
    return [column, { type: types[type], primaryKey: isKey, allowNull: mayBeNull }] as const
  })
  const options = { tableName: name, timestamps: false, freezeTableName: true }
  return sequelize.define(name, Object.fromEntries(attributes), options) as unknown as ModelFor<T>
}

/** The rows of a table that hold these values. */
export async function rowsOf<T extends Table>(
  sequelize: Sequelize,
  of: T,
  where: Partial<RowOf<T>> = {},
  transaction?: Transaction,
): Promise<RowOf<T>[]> {
  const condition = where as WhereOptions<RowOf<T>>
  const options = { where: condition, raw: true, transaction: transaction ?? null }
  return (await modelOf(sequelize, of).findAll(options)) as unknown as RowOf<T>[]
}
