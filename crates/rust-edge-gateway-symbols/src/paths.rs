//! Names of source files that say where a line is, and not where this machine keeps it.

/// Beginnings of paths that the compiler writes for std and for what std is made of; what follows names the file. `*`
/// stands for one folder.
const MADE_BY_RUST: [&str; 2] = ["/rustc/*/library/", "/rust/deps/"];

/// Folders in which cargo and rustup keep sources.
const KEPT_SOURCES: [&str; 3] = ["/registry/src/*/", "/git/checkouts/*/*/", "/rustlib/src/rust/library/"];

/// Folders whose sources are known by their path from there on.
pub struct Paths {
    folders: Vec<String>,
}

impl Paths {
    /// The first folder that holds a path shortens it.
    pub fn new(folders: impl Iterator<Item = String>) -> Paths {
        let folders = folders.map(|folder| format!("{}/", folder.trim_end_matches('/')));
        Paths {
            folders: folders.collect(),
        }
    }

    /// `path` without what is only true on this machine.
    pub fn shorten<'a>(&self, path: &'a str) -> &'a str {
        let ours = self
            .folders
            .iter()
            .find_map(|folder| path.strip_prefix(folder.as_str()));
        let known = || MADE_BY_RUST.iter().find_map(|pattern| strip(path, pattern));
        let kept = || KEPT_SOURCES.iter().find_map(|pattern| strip_to(path, pattern));
        ours.or_else(known).or_else(kept).unwrap_or_else(|| last_two(path))
    }
}

/// What follows `pattern`, with which `path` begins.
fn strip<'a>(path: &'a str, pattern: &str) -> Option<&'a str> {
    let mut parts = pattern.split('*');
    let mut rest = path.strip_prefix(parts.next()?)?;
    for part in parts {
        let (_, after) = rest.split_once('/')?;
        rest = after.strip_prefix(part.trim_start_matches('/'))?;
    }
    Some(rest)
}

/// What follows `pattern`, wherever in `path` it stands.
fn strip_to<'a>(path: &'a str, pattern: &str) -> Option<&'a str> {
    path.match_indices('/').find_map(|(at, _)| strip(&path[at..], pattern))
}

/// A relative path as it is; of any other, the file and the folder it is in.
fn last_two(path: &str) -> &str {
    if !path.starts_with('/') {
        return path;
    }
    let start = path.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at);
    path[start..].trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorten(path: &str) -> String {
        let folders = ["/data/handlers/greet", "/opt/gateway/crates/"].map(str::to_owned);
        Paths::new(folders.into_iter()).shorten(path).to_owned()
    }

    #[test]
    fn sources_of_the_given_folders_begin_there() {
        assert_eq!(shorten("/data/handlers/greet/src/lib.rs"), "src/lib.rs");
        assert_eq!(shorten("/opt/gateway/crates/the-sdk/src/lib.rs"), "the-sdk/src/lib.rs");
        assert_eq!(shorten("/data/handlers/greeting/src/lib.rs"), "src/lib.rs");
    }

    #[test]
    fn std_and_crates_of_the_registry_begin_with_their_names() {
        assert_eq!(
            shorten("/rustc/59807616e1fa/library/core/src/ptr/mod.rs"),
            "core/src/ptr/mod.rs"
        );
        assert_eq!(
            shorten("/rust/deps/gimli-0.32.3/src/read/line.rs"),
            "gimli-0.32.3/src/read/line.rs"
        );
        assert_eq!(
            shorten("/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/itoa-1.0.19/src/lib.rs"),
            "itoa-1.0.19/src/lib.rs"
        );
        assert_eq!(
            shorten("/home/me/.rustup/toolchains/stable/lib/rustlib/src/rust/library/std/src/fs.rs"),
            "std/src/fs.rs"
        );
    }

    #[test]
    fn of_any_other_place_two_parts_are_left() {
        assert_eq!(shorten("/home/me/build/thing-0123/out/made.rs"), "out/made.rs");
        assert_eq!(shorten("/made.rs"), "made.rs");
        assert_eq!(shorten("src/relative.rs"), "src/relative.rs");
        assert_eq!(shorten(""), "");
    }
}
