/**
 * What an endpoint may depend on: crates of the registry by name and version. Everything a manifest would let through
 * beside that (paths, git, other registries, a second table smuggled in with a quote) is refused by form.
 */
import type { Dependency } from '../store/records.ts';

export const SDK_CRATE = 'rust-edge-gateway-sdk';

/** Crates every handler has; an endpoint may ask for another version or more features of them. */
const OWN_CRATES = ['serde', 'serde_json'];

const FEATURES_MAX = 64;
const CRATE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const FEATURE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_+.-]{0,63}$/;

/** One comparator of a version requirement: `1`, `^1.2`, `>=1.2.3-beta.1`, `1.*`. */
const COMPARATOR =
  /^(\^|~|=|>=?|<=?)?\s*(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8}|\*)(\.(0|[1-9]\d{0,8}|\*))?)?(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;
const REQUIREMENT_LENGTH_MAX = 100;

/** Crate names are equal to rustc when they differ in `-` and `_` only. */
const canonical = (name: string): string => name.toLowerCase().replaceAll('-', '_');

function nameProblem(name: string): string | null {
  if (!CRATE_NAME.test(name))
    return 'is not the name of a crate: a letter, then letters, digits, "-" and "_", at most 64';
  if (canonical(name) === canonical(SDK_CRATE)) return 'is there already: every handler has it';
  const own = OWN_CRATES.find(crate => crate !== name && canonical(crate) === canonical(name));
  return own === undefined ? null : `is spelled ${own}`;
}

/** `*` alone is refused: which version a build gets would depend on the day it was first built. */
function versionProblem(version: string): string | null {
  const valid =
    version.length <= REQUIREMENT_LENGTH_MAX && version.split(',').every(one => COMPARATOR.test(one.trim()));
  return valid ? null : 'needs a version requirement such as "1", "0.4.2" or ">=1.2, <1.5"';
}

function featuresProblem(features: readonly string[]): string | null {
  if (features.length > FEATURES_MAX) return `has more than ${FEATURES_MAX} features`;
  const wrong = features.find(feature => !FEATURE_NAME.test(feature));
  return wrong === undefined ? null : `has a feature that cannot be one: ${JSON.stringify(wrong)}`;
}

/** Why this cannot be a dependency, as the rest of a sentence that begins with the crate's name; null when it can. */
export function dependencyProblem(name: string, dependency: Dependency): string | null {
  if (typeof dependency === 'string') return nameProblem(name) ?? versionProblem(dependency);
  return nameProblem(name) ?? versionProblem(dependency.version) ?? featuresProblem(dependency.features ?? []);
}
