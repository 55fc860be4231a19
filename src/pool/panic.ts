import type { FaultReport } from '../protocol/control.ts';

const MESSAGE_LENGTH_AT = 12;
const MESSAGE_AT = 16;

/** The fault that a panic record tells of; the record's message holds the panic's location too. */
export function panicFault(source: Buffer, offset: number): FaultReport {
  const start = offset + MESSAGE_AT;
  const recordEnd = offset + source.readUInt32LE(offset);
  const messageEnd = start + source.readUInt32LE(offset + MESSAGE_LENGTH_AT);
  return {
    kind: 'panic',
    signal: 0,
    code: 0,
    address: '0',
    offset: '0',
    foreign: false,
    suspect: false,
    message: source.toString('utf8', start, Math.min(messageEnd, recordEnd)),
  };
}
