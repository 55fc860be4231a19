/** The text of an endpoint's `Cargo.toml`. */
import type { Dependencies, Dependency } from '../store/records.ts';
import { SDK_CRATE } from './dependencies.ts';

export interface ManifestInput {
  readonly endpointId: string;
  /** Path of the SDK crate, absolute or relative to the project. */
  readonly sdkPath: string;
  readonly dependencies: Dependencies;
}

/** What a handler depends on when its endpoint says nothing. */
const OWN_DEPENDENCIES: Dependencies = { serde: { version: '1', features: ['derive'] }, serde_json: '1' };

/** Name of an endpoint's crate and library. */
export const crateName = (endpointId: string): string => `handler_${endpointId.replaceAll('-', '_')}`;

/**
 * The profile was measured: against the defaults it halves the time of a new endpoint's build and quarters that of a
 * one-line edit. The SDK, which is compiled once for all, is one unit: what of JSON needs nothing of the handler's takes
 * half the time. Debug information is what backtraces of faults are made of; the gateway takes it out of the library. The
 * empty workspace keeps cargo from looking for one in the folders above.
 */
export function manifestText({ endpointId, sdkPath, dependencies }: ManifestInput): string {
  const lines = Object.entries(withOwn(dependencies)).map(([name, value]) => `${name} = ${dependencyText(value)}`);
  return `[package]
name = ${tomlString(crateName(endpointId))}
version = "0.1.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
${SDK_CRATE} = { path = ${tomlString(sdkPath)} }
${lines.join('\n')}

[profile.release]
opt-level = 3
lto = "off"
incremental = true
debug = "limited"

[profile.release.package.${SDK_CRATE}]
codegen-units = 1

[workspace]
`;
}

/** The endpoint's version of one of our own crates wins; its features come on top of ours. */
function withOwn(dependencies: Dependencies): Dependencies {
  const own = Object.entries(OWN_DEPENDENCIES).map(([name, ours]): [string, Dependency] => {
    const theirs = dependencies[name];
    return [name, theirs === undefined ? ours : merged(ours, theirs)];
  });
  const further = Object.entries(dependencies).filter(([name]) => !(name in OWN_DEPENDENCIES));
  return Object.fromEntries([...own, ...further.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

function merged(ours: Dependency, theirs: Dependency): Dependency {
  const features = [...new Set([...featuresOf(ours), ...featuresOf(theirs)])];
  return { ...(typeof theirs === 'string' ? { version: theirs } : theirs), features };
}

const featuresOf = (dependency: Dependency): readonly string[] =>
  typeof dependency === 'string' ? [] : (dependency.features ?? []);

function dependencyText(dependency: Dependency): string {
  if (typeof dependency === 'string') return tomlString(dependency);
  const features = featuresOf(dependency);
  const parts = [
    `version = ${tomlString(dependency.version)}`,
    ...(features.length > 0 ? [`features = [${features.map(tomlString).join(', ')}]`] : []),
    ...(dependency.default_features === undefined ? [] : [`default-features = ${dependency.default_features}`]),
  ];
  return parts.length === 1 ? tomlString(dependency.version) : `{ ${parts.join(', ')} }`;
}

/** A TOML basic string: JSON's escapes are TOML's too, but TOML also wants DEL escaped. */
export const tomlString = (text: string): string => JSON.stringify(text).replaceAll('\x7f', String.raw`\u007F`);
