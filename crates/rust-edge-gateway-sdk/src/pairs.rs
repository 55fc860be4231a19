//! Names with values, as requests and responses carry them.

/// Names with values, in order; a name may occur several times.
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
///
/// let request = Request::new("GET", "/search?tag=rust&tag=http").with_header("Accept", "text/html");
/// assert_eq!(request.query.get("tag").unwrap(), "rust");
/// assert_eq!(request.query.get_all("tag").collect::<Vec<_>>(), ["rust", "http"]);
/// assert!(request.headers.contains_key("ACCEPT"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    entries: Vec<(String, String)>,
    ignore_case: bool,
}

impl Pairs {
    /// No pairs; names are compared exactly.
    pub const fn new() -> Self {
        Pairs {
            entries: Vec::new(),
            ignore_case: false,
        }
    }

    /// No pairs; names are compared without case, as HTTP headers are.
    pub const fn headers() -> Self {
        Pairs {
            entries: Vec::new(),
            ignore_case: true,
        }
    }

    pub(crate) fn with_capacity(capacity: usize, ignore_case: bool) -> Self {
        Pairs {
            entries: Vec::with_capacity(capacity),
            ignore_case,
        }
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&String> {
        self.entries
            .iter()
            .find(|(other, _)| self.same(other, name))
            .map(|(_, value)| value)
    }

    /// All values of a name, in order.
    pub fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a String> + use<'a, 'n> {
        self.entries
            .iter()
            .filter(move |(other, _)| self.same(other, name))
            .map(|(_, value)| value)
    }

    /// Whether a name occurs.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives a name one value in place of all it had; returns the first of those.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) -> Option<String> {
        let name = name.into();
        let before = self.remove(&name);
        self.entries.push((name, value.into()));
        before
    }

    /// Adds a value to those a name has.
    pub fn append(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.entries.push((name.into(), value.into()));
    }

    /// Takes a name away with all its values; returns the first of them.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.entries.iter().position(|(other, _)| self.same(other, name))?;
        let (_, first) = self.entries.remove(at);
        let ignore_case = self.ignore_case;
        self.entries.retain(|(other, _)| !same_name(other, name, ignore_case));
        Some(first)
    }

    /// All pairs, in order.
    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn same(&self, name: &str, other: &str) -> bool {
        same_name(name, other, self.ignore_case)
    }
}

fn same_name(name: &str, other: &str, ignore_case: bool) -> bool {
    if ignore_case {
        name.eq_ignore_ascii_case(other)
    } else {
        name == other
    }
}

/// Iterator over the pairs of a [`Pairs`].
#[derive(Debug, Clone)]
pub struct Iter<'a>(core::slice::Iter<'a, (String, String)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a String, &'a String);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Pairs {
    type Item = (&'a String, &'a String);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        Iter(self.entries.iter())
    }
}

impl serde::Serialize for Pairs {
    /// As a map; of a repeated name only the first value.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first_of_name = |(at, (name, _)): &(usize, &(String, String))| {
            !self.entries[..*at].iter().any(|(other, _)| self.same(other, name))
        };
        serializer.collect_map(
            self.entries
                .iter()
                .enumerate()
                .filter(first_of_name)
                .map(|(_, (name, value))| (name, value)),
        )
    }
}
