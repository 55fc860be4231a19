/**
 * The environment of a build: what cargo needs to find its toolchain, the network and its registries, and nothing else.
 * Builds run code of others (`build.rs`, macros), so no secret and no setting of the gateway may be in it.
 */
import { delimiter } from 'node:path';

const ALLOWED = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'LANG', 'LC_ALL', 'TZ'],
  ...['CARGO_HOME', 'CARGO_REGISTRY_DEFAULT', 'RUSTUP_HOME', 'RUSTUP_TOOLCHAIN', 'RUSTUP_DIST_SERVER'],
  ...['RUSTUP_UPDATE_ROOT', 'RUSTUP_AUTO_INSTALL'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO'],
]);
/** Cargo's own settings about the network and registries, as it reads them from variables. */
const ALLOWED_FAMILIES = /^CARGO_(NET|HTTP|SOURCE|REGISTRIES)_/;
const SECRET = /TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIAL/;

const isAllowed = (name: string): boolean =>
  (ALLOWED.has(name) || ALLOWED_FAMILIES.test(name)) && !SECRET.test(name.toUpperCase());

/** `toolchainFolder` is where cargo was found; it comes first on the PATH, so that cargo finds the rustc beside it. */
export function buildEnvironment(environment: NodeJS.ProcessEnv, toolchainFolder: string): NodeJS.ProcessEnv {
  const allowed = Object.fromEntries(Object.entries(environment).filter(([name]) => isAllowed(name)));
  const path = [toolchainFolder, environment['PATH'] ?? ''].filter(folder => folder !== '').join(delimiter);
  return { ...allowed, PATH: path, CARGO_TERM_COLOR: 'never', CARGO_TERM_PROGRESS_WHEN: 'never' };
}
