// For --import: has the program meet its features in the opposite order.
import { features } from '../../app/features.ts'

features.reverse()
