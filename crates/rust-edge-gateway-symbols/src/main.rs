//! Reads a library with debug information from standard input and writes the table of its symbols to standard output.
//!
//! ```text
//! rust-edge-gateway-symbols [FOLDER]... < library.so > table
//! ```
//!
//! Paths of sources in a FOLDER begin there; other paths are cut to what names them without naming this machine.
//!
//! A program of its own, run once for every build: debug information is made of what an endpoint's author and the authors
//! of its dependencies wrote, and what reads it may be wrong about it. The gateway itself reads only the table, see
//! [`table`], and needs no more than a binary search for it.

mod debug_info;
mod paths;
mod table;

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use paths::Paths;
use table::Table;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the library's debug information cannot be read: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut library = Vec::new();
    io::stdin().lock().read_to_end(&mut library)?;
    let mut table = Table::default();
    debug_info::describe(&library, &Paths::new(env::args().skip(1)), &mut table)?;
    io::stdout().lock().write_all(&table.encode()?)?;
    Ok(())
}
