/** Compiles what all endpoints share before the first of them needs it. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cargo } from './cargo.ts';
import { crateName, manifestText } from './manifest.ts';
import { createFolder, writeIfChanged } from './storage.ts';

export interface PrimingOptions {
  readonly cargo: Cargo;
  readonly cratesDir: string;
  readonly buildDir: string;
  /** Environment of an endpoint's build: the same shared build directory. */
  readonly environment: NodeJS.ProcessEnv;
}

/** An endpoint's crate cannot have this name: ids have no "_" for "-" to come from at their end. */
const ID = 'priming-';

/** Uses what every handler uses, so that its code is in the caches of the machine too. */
const CODE = `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(req: Request) -> Response {
    Response::ok(json!({ "path": req.path }))
}
`;

/**
 * Builds a project like an endpoint's in `BUILD_DIR/priming`: same dependencies, same profile, same lock file.
 * @throws AdminError see `Cargo.build`
 */
export async function primeBuildDirectory({ cargo, cratesDir, buildDir, environment }: PrimingOptions): Promise<void> {
  const folder = join(buildDir, 'priming');
  const sdkPath = join(cratesDir, 'rust-edge-gateway-sdk');
  await createFolder(folder);
  await writeIfChanged(join(folder, 'Cargo.toml'), manifestText({ endpointId: ID, sdkPath, dependencies: {} }));
  await writeIfChanged(join(folder, 'src', 'lib.rs'), CODE);
  await copyFile(join(cratesDir, 'Cargo.lock'), join(folder, 'Cargo.lock'));
  await cargo.build({ folder, target: crateName(ID), environment });
}
