//! Every file of the corpora holds what its target checks; no nightly Rust and no libFuzzer needed.

use std::fs;
use std::path::Path;

#[test]
fn every_file_of_the_corpora_passes() {
    for (target, check) in rust_edge_gateway_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut checked = 0;
        for file in files {
            check(&fs::read(file.unwrap().path()).unwrap());
            checked += 1;
        }
        assert!(checked > 0, "{} is empty", folder.display());
    }
}

/// A few hundred inputs that no corpus holds: cut and damaged ones.
#[test]
fn damaged_files_pass_too() {
    for (target, check) in rust_edge_gateway_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        for file in fs::read_dir(&folder).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 32) {
                check(&bytes[..at]);
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x80;
                check(&damaged);
            }
        }
    }
}
