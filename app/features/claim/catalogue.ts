import { Catalogue } from '../../core/catalogue.ts'
import * as en from './texts.ts'

export const texts = new Catalogue({ en })
