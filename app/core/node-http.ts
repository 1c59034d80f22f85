/**
 * Node's `http`. Not by an import: that reads all its exports, of which those for WebSockets load a client of their own,
 * which is a tenth of the processor's time of a start.
 */
export const http = process.getBuiltinModule('node:http')
