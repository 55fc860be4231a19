//! The table of symbols. The gateway reads it in `src/observe/backtrace/symbol-table.ts`.
//!
//! Little-endian, every number a u32:
//!
//! ```text
//!  0  "SYMB"    4  version, 1    8  ranges    12  places    16  texts    20  bytes of all texts
//! 24  offset each range begins at, ascending; a range ends where the next one begins
//!     place of each range; NONE: nothing is known of it
//!     function, file, line and caller of each place: two texts, a number, a place that stands before this one
//!     end of each text, counted in bytes from the first text
//!     texts, UTF-8
//! ```
//!
//! A *place* is a line of a function. Code that was inlined has a caller: the place it was inlined into. A function or
//! file that is not known is NONE, a line 0.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::TryFromIntError;

const MAGIC: u32 = u32::from_le_bytes(*b"SYMB");
const VERSION: u32 = 1;
const NONE: u32 = u32::MAX;

/// Number of a text in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text(u32);

/// Number of a place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlaceNumber(u32);

/// A line of a function.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    pub function: Option<Text>,
    pub file: Option<Text>,
    /// Counted from 1; 0 when it is not known.
    pub line: u32,
    /// Where this code was inlined.
    pub caller: Option<PlaceNumber>,
}

/// A table in the making; equal texts and equal places are kept once.
#[derive(Default)]
pub struct Table {
    ranges: Vec<(u32, Option<PlaceNumber>)>,
    places: Numbered<Place>,
    texts: Numbered<String>,
}

impl Table {
    /// The number of `text`.
    pub fn text(&mut self, text: &str) -> Text {
        Text(self.texts.number(text.to_owned()))
    }

    /// The number of `place`.
    pub fn place(&mut self, place: Place) -> PlaceNumber {
        PlaceNumber(self.places.number(place))
    }

    /// From `start` on, up to the start of the next range, code belongs to `place`. Ranges are added in ascending order.
    pub fn add_range(&mut self, start: u64, place: Option<PlaceNumber>) -> Result<(), TryFromIntError> {
        if self.ranges.last().map(|last| last.1) != Some(place) {
            self.ranges.push((u32::try_from(start)?, place));
        }
        Ok(())
    }

    /// The table's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, TryFromIntError> {
        let texts = self.texts.all.concat();
        let ends = self.texts.all.iter().scan(0, |end, text| {
            *end += text.len();
            Some(*end)
        });
        let counts = [
            self.ranges.len(),
            self.places.all.len(),
            self.texts.all.len(),
            texts.len(),
        ];
        let mut words = vec![MAGIC, VERSION];
        for count in counts {
            words.push(count.try_into()?);
        }
        words.extend(self.ranges.iter().map(|range| range.0));
        words.extend(self.ranges.iter().map(|range| range.1.map_or(NONE, |place| place.0)));
        words.extend(self.places.all.iter().flat_map(|place| place.words()));
        for end in ends {
            words.push(end.try_into()?);
        }
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.extend_from_slice(texts.as_bytes());
        Ok(bytes)
    }
}

impl Place {
    fn words(&self) -> [u32; 4] {
        let text = |text: Option<Text>| text.map_or(NONE, |text| text.0);
        let caller = self.caller.map_or(NONE, |place| place.0);
        [text(self.function), text(self.file), self.line, caller]
    }
}

/// Values in the order they first came in, and the number of each.
struct Numbered<T> {
    all: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Numbered {
            all: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        // No overflow: each value takes more memory than there are numbers for.
        let number = self.all.len() as u32;
        self.all.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_and_places_are_kept_once_and_equal_neighbours_are_one_range() {
        let mut table = Table::default();
        let file = Some(table.text("src/lib.rs"));
        let place = |table: &mut Table, function: &str, line, caller| {
            let function = Some(table.text(function));
            Some(table.place(Place {
                function,
                file,
                line,
                caller,
            }))
        };
        let outer = place(&mut table, "outer", 7, None);
        let inner = place(&mut table, "inner", 2, outer);
        for (start, place) in [(0x10, outer), (0x14, inner), (0x18, inner), (0x20, outer), (0x30, None)] {
            table.add_range(start, place).unwrap();
        }
        let bytes = table.encode().unwrap();
        let (words, texts) = bytes.split_at(bytes.len() - 20);
        let words: Vec<u32> = words
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words[..6], [MAGIC, 1, 4, 2, 3, 20]);
        assert_eq!(words[6..14], [0x10, 0x14, 0x20, 0x30, 0, 1, 0, NONE]);
        assert_eq!(words[14..22], [1, 0, 7, NONE, 2, 0, 2, 0]);
        assert_eq!((&words[22..], texts), (&[10, 15, 20][..], &b"src/lib.rsouterinner"[..]));
    }

    #[test]
    fn an_offset_that_is_no_u32_is_an_error() {
        assert!(Table::default().add_range(1 << 32, None).is_err());
    }
}
