/** The name of a build by what goes into it: equal keys give equal artifacts. */
import { createHash } from 'node:crypto';
import { ABI_VERSION } from '../protocol/guard.ts';
import { sourceDigest } from './source-digest.ts';

export interface BuildKeyInput {
  readonly endpointId: string;
  readonly code: string;
  /** Holds the dependencies and the profile. */
  readonly manifest: string;
  readonly lock: string;
  /** `rustc -vV`. */
  readonly rustc: string;
  readonly cratesDir: string;
}

const SDK_SOURCES = ['Cargo.toml', 'rust-edge-gateway-abi', 'rust-edge-gateway-sdk', 'rust-edge-gateway-sdk-macros'];

/** SHA-256 in hexadecimal; reads the SDK's sources each time, since they may change under a running gateway. */
export async function buildKey(input: BuildKeyInput): Promise<string> {
  const { endpointId, code, manifest, lock, rustc, cratesDir } = input;
  const sdk = await sourceDigest(cratesDir, SDK_SOURCES);
  const parts = [endpointId, code, manifest, lock, rustc, sdk, ABI_VERSION];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
