import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildEnvironment } from '../../src/build/environment.ts';

test('a build sees what cargo needs, and no secret, setting or compiler flag', () => {
  const wanted = {
    HOME: '/home/x',
    RUSTUP_HOME: '/rustup',
    CARGO_HOME: '/cargo',
    HTTPS_PROXY: 'http://proxy',
    SSL_CERT_FILE: '/certs.pem',
    CARGO_NET_GIT_FETCH_WITH_CLI: 'true',
    CARGO_REGISTRIES_MIRROR_INDEX: 'sparse+https://mirror.example/',
  };
  const unwanted = {
    RUST_EDGE_GATEWAY_ADMIN_API_KEY: 'key',
    RUST_EDGE_GATEWAY_DATA_DIR: '/data',
    CARGO_REGISTRIES_MIRROR_TOKEN: 'token',
    CARGO_REGISTRY_TOKEN: 'token',
    CARGO_HTTP_SECRET: 'secret',
    AWS_SECRET_ACCESS_KEY: 'secret',
    CARGO_REGISTRIES_X_CREDENTIAL_PROVIDER: 'x',
    RUSTFLAGS: '-C x',
    CARGO_TARGET_DIR: '/elsewhere',
    RUST_BACKTRACE: '1',
    RUSTC_WRAPPER: 'sccache',
    LD_PRELOAD: 'x.so',
    NODE_OPTIONS: '--inspect',
    HANDLER_GREETING: 'hello',
  };
  assert.deepEqual(buildEnvironment({ ...wanted, ...unwanted, PATH: '/bin' }, '/tools'), {
    ...wanted,
    PATH: '/tools:/bin',
    CARGO_TERM_COLOR: 'never',
    CARGO_TERM_PROGRESS_WHEN: 'never',
  });
});
