import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifestText } from '../../src/build/manifest.ts';
import type { Dependencies } from '../../src/store/records.ts';

const SDK_PATH = '../../crates/rust-edge-gateway-sdk';

function dependencyLines(dependencies: Dependencies): readonly string[] {
  const text = manifestText({ endpointId: 'x', sdkPath: SDK_PATH, dependencies });
  return (/\[dependencies\]\n([\s\S]*?)\n\n/.exec(text)?.[1] ?? '').split('\n').slice(1);
}

test('the manifest is the one the documentation shows, with a profile and an empty workspace', () => {
  assert.equal(
    manifestText({ endpointId: 'my-endpoint', sdkPath: SDK_PATH, dependencies: {} }),
    `[package]
name = "handler_my_endpoint"
version = "0.1.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
rust-edge-gateway-sdk = { path = "../../crates/rust-edge-gateway-sdk" }
serde = { version = "1", features = ["derive"] }
serde_json = "1"

[profile.release]
opt-level = 3
lto = "off"
incremental = true
debug = "limited"

[profile.release.package.rust-edge-gateway-sdk]
codegen-units = 1

[workspace]
`,
  );
});

test('dependencies come after our own, in order, whatever order they were given in', () => {
  const chrono = { version: '0.4', features: ['serde', 'clock'], default_features: false };
  const expected = [
    'serde = { version = "1", features = ["derive"] }',
    'serde_json = "1"',
    'chrono = { version = "0.4", features = ["serde", "clock"], default-features = false }',
    'regex = "1"',
  ];
  assert.deepEqual(dependencyLines({ regex: '1', chrono }), expected);
  assert.deepEqual(dependencyLines({ chrono, regex: { version: '1' } }), expected);
});

test('an endpoint may ask for another serde, and keeps the derive macros', () => {
  assert.deepEqual(dependencyLines({ serde: '1.0.200', serde_json: { version: '1', features: ['preserve_order'] } }), [
    'serde = { version = "1.0.200", features = ["derive"] }',
    'serde_json = { version = "1", features = ["preserve_order"] }',
  ]);
  const [serde] = dependencyLines({ serde: { version: '1', features: ['rc', 'derive'], default_features: true } });
  assert.equal(serde, 'serde = { version = "1", features = ["derive", "rc"], default-features = true }');
});

test('a path with quotes, backslashes and control characters stays one TOML string', () => {
  const text = manifestText({ endpointId: 'x', sdkPath: '/a"b\\c\n\x7f', dependencies: {} });
  assert.ok(text.includes(String.raw`{ path = "/a\"b\\c\n\u007F" }`));
});
