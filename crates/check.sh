#!/usr/bin/env bash
# Formatting and lints of every Rust workspace, as `npm run check:rust`; with `test`, their tests, as `npm run test:rust`.
set -euo pipefail
cd "$(dirname "$0")"

# The fuzz targets are built with flags of their own, and the reader of debug information has dependencies that building
# the guard must not need: so each is a workspace. The programs of the bench are not part of the product.
workspaces=(. fuzz rust-edge-gateway-symbols ../bench)

for workspace in "${workspaces[@]}"; do
  manifest=(--manifest-path "$workspace/Cargo.toml")
  if [ "${1:-}" = test ]; then
    # Its programs are tested by running them, in test/bench.
    [ "$workspace" = ../bench ] && continue
    cargo test "${manifest[@]}" --workspace --target-dir target --quiet
  else
    # Binaries of the fuzz targets need libFuzzer.
    targets=(--all-targets)
    [ "$workspace" = fuzz ] && targets=(--lib --tests)
    cargo fmt "${manifest[@]}" --all --check
    cargo clippy "${manifest[@]}" --workspace --target-dir target "${targets[@]}" --quiet -- -D warnings
  fi
done
