/** What a load generator is told to ask. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../harness/places.ts';

export interface LoadRequest {
  /** `{n}` in it is replaced by 0 to `variety` - 1 in turn. */
  readonly path: string;
  readonly variety?: number;
  /** Sent as the JSON body of a POST; without one the request is a GET. */
  readonly body?: string;
}

/** Both load generators read a body from a file. */
export function bodyFile(body: string): string {
  const path = join(cacheFolder('bodies'), `${body.length}.json`);
  writeFileSync(path, body);
  return path;
}

/** A JSON document of exactly so many bytes: records such as an API sends. */
export function jsonOf(bytes: number): string {
  const records: string[] = [];
  let length = '{"records":[],"rest":""}'.length;
  for (let id = 0; ; id += 1) {
    const record = JSON.stringify({
      id,
      name: `customer ${id}`,
      active: id % 3 === 0,
      balance: id * 17.25,
      tags: ['a'],
    });
    const added = record.length + (records.length > 0 ? 1 : 0);
    if (length + added > bytes) break;
    records.push(record);
    length += added;
  }
  return `{"records":[${records.join(',')}],"rest":"${'x'.repeat(bytes - length)}"}`;
}
