#!/usr/bin/env bash
# Fuzzes the parsers that see what clients send. See --help.
set -euo pipefail
cd "$(dirname "$0")"

targets=(cookie form frame multipart query)

usage() {
  cat <<HELP
Usage: npm run fuzz -- [--seconds N] [TARGET …]

Runs each target (default: all of ${targets[*]}) for N seconds (default 60), one after the other.
Inputs that reach new code are kept in crates/fuzz/artifacts/corpus/TARGET; the committed ones in corpus/TARGET are
the start. An input that breaks a rule is written to crates/fuzz/artifacts/TARGET, and the run ends with status 1;
copy it to corpus/TARGET, where the replay test keeps it for ever, and mend what it shows.

Needs cargo-fuzz (cargo install cargo-fuzz) and a nightly toolchain (rustup toolchain install nightly).
HELP
}

seconds=60
chosen=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --seconds) seconds="${2:-}"; shift 2 || true ;;
    *) chosen+=("$1"); shift ;;
  esac
done
[[ "$seconds" =~ ^[0-9]+$ ]] || { echo "--seconds takes a whole number, not \"$seconds\"" >&2; exit 64; }
for target in "${chosen[@]}"; do
  [ -f "targets/$target.rs" ] || { echo "No target \"$target\"; there are: ${targets[*]}" >&2; exit 64; }
done
command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 69; }
cargo +nightly --version >/dev/null 2>&1 || { echo "A nightly toolchain is missing: rustup toolchain install nightly" >&2; exit 69; }
[ ${#chosen[@]} -gt 0 ] || chosen=("${targets[@]}")

for target in "${chosen[@]}"; do
  found="artifacts/corpus/$target"
  mkdir -p "$found"
  cargo +nightly fuzz run --fuzz-dir . --features libfuzzer "$target" "$found" "corpus/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1
done
