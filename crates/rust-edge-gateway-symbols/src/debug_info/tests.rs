//! The test program describes itself.

use std::fs;
use std::hint::black_box;

use super::*;

const NONE: u32 = u32::MAX;

#[inline(always)]
fn inlined(value: u32) -> u32 {
    black_box(value)
}

#[inline(never)]
fn marked(value: u32) -> u32 {
    inlined(value)
}

const INLINED_LINE: u32 = 12;
const MARKED_LINE: u32 = 17;

#[derive(Debug, PartialEq)]
struct Found {
    function: Option<String>,
    file: Option<String>,
    line: u32,
}

/// Reads a table as its description says.
struct Decoded {
    words: Vec<u32>,
    texts: Vec<u8>,
}

impl Decoded {
    fn new(bytes: &[u8]) -> Decoded {
        let word = |at: usize| u32::from_le_bytes(bytes[at * 4..][..4].try_into().unwrap());
        let [ranges, places, texts] = [2, 3, 4].map(|at| word(at) as usize);
        let words: Vec<u32> = (0..6 + ranges * 2 + places * 4 + texts).map(word).collect();
        let texts = bytes[words.len() * 4..].to_vec();
        assert_eq!(texts.len(), words[5] as usize);
        Decoded { words, texts }
    }

    fn text(&self, number: u32) -> Option<String> {
        let [ranges, places] = [2, 3].map(|at| self.words[at] as usize);
        let ends = &self.words[6 + ranges * 2 + places * 4..];
        let at = (number != NONE).then_some(number as usize)?;
        let start = at.checked_sub(1).map_or(0, |before| ends[before]);
        Some(String::from_utf8(self.texts[start as usize..ends[at] as usize].to_vec()).unwrap())
    }

    /// Innermost first.
    fn lookup(&self, address: u64) -> Vec<Found> {
        let ranges = self.words[2] as usize;
        let starts = &self.words[6..6 + ranges];
        assert!(starts.is_sorted());
        let range = starts.partition_point(|start| u64::from(*start) <= address) - 1;
        let mut number = self.words[6 + ranges + range];
        let mut found = Vec::new();
        while number != NONE {
            let place = &self.words[6 + ranges * 2 + number as usize * 4..][..4];
            found.push(Found {
                function: self.text(place[0]),
                file: self.text(place[1]),
                line: place[2],
            });
            assert!(
                place[3] == NONE || place[3] < number,
                "callers stand before what they call"
            );
            number = place[3];
        }
        found
    }
}

fn describe_self(program: &[u8]) -> Decoded {
    let mut table = Table::default();
    describe(program, &Paths::new([].into_iter()), &mut table).unwrap();
    Decoded::new(&table.encode().unwrap())
}

#[test]
fn a_line_is_found_with_its_function_and_the_one_it_was_inlined_into() {
    assert_eq!(marked(7), 7);
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let table = describe_self(&program);
    let library = Library::parse(&*program).unwrap();
    let (span, _) = *symbols(&library)
        .iter()
        .find(|symbol| symbol.1.contains("6marked"))
        .unwrap();
    let found: Vec<_> = (span.start..span.end).map(|address| table.lookup(address)).collect();
    let frame = |function: &str, line| Found {
        function: Some(format!("{}::{function}", module_path!())),
        file: Some("debug_info/tests.rs".to_owned()),
        line,
    };
    assert!(found.contains(&vec![frame("inlined", INLINED_LINE), frame("marked", MARKED_LINE)]));

    let context = Context::from_dwarf(Dwarf::load(|id| section(&library, id)).unwrap()).unwrap();
    let code = library.section_by_name(".text").unwrap();
    for address in (code.address()..code.address() + code.size()).step_by(997) {
        let mut frames = context.find_frames(address).skip_all_loads().unwrap();
        let mut lines = Vec::new();
        while let Some(frame) = frames.next().unwrap() {
            lines.push(frame.location.and_then(|at| at.line).unwrap_or(0));
        }
        if !lines.is_empty() {
            let found: Vec<u32> = table.lookup(address).iter().map(|found| found.line).collect();
            assert_eq!(found, lines, "{address:x}");
        }
    }
}

#[test]
fn what_is_no_library_is_an_error() {
    let mut table = Table::default();
    let paths = Paths::new([].into_iter());
    assert!(describe(b"", &paths, &mut table).is_err());
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(describe(&program[..program.len() / 2], &paths, &mut table).is_err());
}
