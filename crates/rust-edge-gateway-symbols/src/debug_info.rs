//! Goes once through a library's code, and notes for every stretch of it which line of which function it belongs to.

use std::collections::HashMap;
use std::error::Error;

use addr2line::gimli::{DW_LANG_Rust, Dwarf, EndianSlice, LittleEndian as Little, SectionId};
use addr2line::{demangle_auto, Context, Frame};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use crate::paths::Paths;
use crate::table::{Place, PlaceNumber, Table, Text};

type Bytes<'a> = EndianSlice<'a, Little>;
type Library<'a> = ElfFile64<'a, LittleEndian>;

/// Adds a range to `table` for every stretch of code of `library`: from the debug information, and where there is none,
/// as in code that was written in assembler, at least the function from the symbol table.
///
/// # Errors
/// When `library` is no ELF file of 64 bits and little-endian, or its debug information contradicts itself.
pub fn describe(library: &[u8], paths: &Paths, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let library: Library = ElfFile64::parse(library)?;
    let context = Context::from_dwarf(Dwarf::load(|id| section(&library, id))?)?;
    let mut describer = Describer {
        context: &context,
        symbols: symbols(&library),
        paths,
        table,
        functions: HashMap::new(),
        files: HashMap::new(),
    };
    let mut code: Vec<Span> = library
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .map(|section| Span::new(section.address(), section.size()))
        .collect();
    code.sort_unstable();
    for section in code {
        describer.describe_section(section)?;
    }
    Ok(())
}

fn section<'a>(library: &Library<'a>, id: SectionId) -> Result<Bytes<'a>, object::Error> {
    let data = match library.section_by_name(id.name()) {
        Some(section) => section.data()?,
        None => &[],
    };
    Ok(EndianSlice::new(data, Little))
}

/// A stretch of addresses, its end excluded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    start: u64,
    end: u64,
}

impl Span {
    fn new(start: u64, len: u64) -> Span {
        Span {
            start,
            end: start.saturating_add(len),
        }
    }
}

/// Functions of the symbol table, by address.
fn symbols<'a>(library: &Library<'a>) -> Vec<(Span, &'a str)> {
    let mut symbols: Vec<_> = library
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter_map(|symbol| Some((Span::new(symbol.address(), symbol.size()), symbol.name().ok()?)))
        .collect();
    symbols.sort_unstable();
    symbols
}

struct Describer<'a> {
    context: &'a Context<Bytes<'a>>,
    symbols: Vec<(Span, &'a str)>,
    paths: &'a Paths,
    table: &'a mut Table,
    /// Texts of names that came before: each is demangled and shortened once.
    functions: HashMap<&'a [u8], Text>,
    files: HashMap<&'a str, Text>,
}

impl<'a> Describer<'a> {
    /// Code within one row of the line table belongs to one line, and as a rule to one place.
    fn describe_section(&mut self, code: Span) -> Result<(), Box<dyn Error>> {
        let rows = self.context.find_location_range(code.start, code.end)?;
        let mut rows: Vec<Span> = rows.map(|(start, len, _)| Span::new(start, len)).collect();
        rows.sort_unstable();
        let mut described = code.start;
        for row in rows {
            let start = row.start.max(described);
            let end = row.end.min(code.end);
            if start >= end {
                continue;
            }
            self.describe_by_symbols(described, start)?;
            let place = self.place_of(start)?;
            self.describe_in_halves(Span { start, end }, place)?;
            described = end;
        }
        self.describe_by_symbols(described, code.end)?;
        Ok(self.table.add_range(code.end, None)?)
    }

    /// `span` begins with code of `place`: adds it as one range if it ends so as well, and its halves else. Where an
    /// inlined function happens to go on in a line of the same number, or of none, there is no new row.
    fn describe_in_halves(&mut self, span: Span, place: Option<PlaceNumber>) -> Result<(), Box<dyn Error>> {
        let Span { start, end } = span;
        if end - start == 1 || self.place_of(end - 1)? == place {
            return Ok(self.table.add_range(start, place)?);
        }
        let middle = start + (end - start) / 2;
        self.describe_in_halves(Span { start, end: middle }, place)?;
        let place = self.place_of(middle)?;
        self.describe_in_halves(Span { start: middle, end }, place)
    }

    /// The place of the code at `address`, and those it was inlined into.
    fn place_of(&mut self, address: u64) -> Result<Option<PlaceNumber>, Box<dyn Error>> {
        let mut frames = self.context.find_frames(address).skip_all_loads()?;
        let mut innermost_first = Vec::new();
        while let Some(frame) = frames.next()? {
            innermost_first.push(frame);
        }
        let mut caller = None;
        for frame in innermost_first.iter().rev() {
            // Only inlined functions and those that have some are sure to be named in the debug information.
            let function = match self.function_of(frame) {
                None if caller.is_none() => self.symbol_at(address),
                function => function,
            };
            let location = frame.location.as_ref();
            let file = location.and_then(|at| at.file).map(|file| self.file(file));
            let line = location.and_then(|at| at.line).unwrap_or(0);
            let place = Place {
                function,
                file,
                line,
                caller,
            };
            caller = Some(self.table.place(place));
        }
        Ok(caller)
    }

    fn describe_by_symbols(&mut self, start: u64, end: u64) -> Result<(), Box<dyn Error>> {
        let mut address = start;
        while address < end {
            let place = self.symbol_at(address).map(|function| {
                self.table.place(Place {
                    function: Some(function),
                    file: None,
                    line: 0,
                    caller: None,
                })
            });
            self.table.add_range(address, place)?;
            address = self.symbol_boundary_after(address);
        }
        Ok(())
    }

    /// The first address behind `address` at which a function of the symbol table begins or ends.
    fn symbol_boundary_after(&self, address: u64) -> u64 {
        let next = self.symbols.partition_point(|(span, _)| span.start <= address);
        let begin = self.symbols.get(next).map_or(u64::MAX, |(span, _)| span.start);
        let end = self.symbol_span_at(address).map_or(u64::MAX, |(span, _)| span.end);
        begin.min(end)
    }

    fn symbol_span_at(&self, address: u64) -> Option<(Span, &'a str)> {
        let after = self.symbols.partition_point(|(span, _)| span.start <= address);
        let symbol = *self.symbols.get(after.checked_sub(1)?)?;
        (address < symbol.0.end).then_some(symbol)
    }

    fn symbol_at(&mut self, address: u64) -> Option<Text> {
        let (_, name) = self.symbol_span_at(address)?;
        Some(self.function(name.as_bytes()))
    }

    fn function_of(&mut self, frame: &Frame<'a, Bytes<'a>>) -> Option<Text> {
        let name = frame.function.as_ref()?.name.slice();
        (!name.is_empty()).then(|| self.function(name))
    }

    fn function(&mut self, name: &'a [u8]) -> Text {
        *self.functions.entry(name).or_insert_with(|| {
            let name = String::from_utf8_lossy(name);
            self.table.text(&demangle_auto(name, Some(DW_LANG_Rust)))
        })
    }

    fn file(&mut self, file: &'a str) -> Text {
        *self
            .files
            .entry(file)
            .or_insert_with(|| self.table.text(self.paths.shorten(file)))
    }
}

#[cfg(test)]
mod tests;
