import type { FaultReport } from '../protocol/control.ts';
import { faultOf, readTrace } from '../protocol/guard.ts';

const MESSAGE_LENGTH_AT = 12;
const MESSAGE_AT = 16;
const OFFSET_BYTES = 8;

/** The fault that a panic record tells of; the record's message holds the panic's location too. */
export function panicFault(source: Buffer, offset: number): FaultReport {
  const start = offset + MESSAGE_AT;
  const recordEnd = offset + source.readUInt32LE(offset);
  const messageEnd = Math.min(start + source.readUInt32LE(offset + MESSAGE_LENGTH_AT), recordEnd);
  const frames = Math.floor((recordEnd - messageEnd) / OFFSET_BYTES);
  return {
    ...faultOf('panic'),
    message: source.toString('utf8', start, messageEnd),
    trace: readTrace(source, messageEnd, frames),
  };
}
