//! `name=value&…`, in queries and in bodies of forms.

use rust_edge_gateway_sdk::Pairs;

/// The pairs are what another parser makes of the same bytes. It replaces what is not UTF-8, where ours takes latin1: such
/// texts are not compared.
pub fn check_decoded(bytes: &[u8], pairs: &Pairs) {
    let theirs: Vec<_> = form_urlencoded::parse(bytes).collect();
    // Theirs leaves empty pieces out as well.
    assert_eq!(pairs.len(), theirs.len());
    for ((name, value), (their_name, their_value)) in pairs.iter().zip(theirs) {
        check_text(name, &their_name);
        check_text(value, &their_value);
    }
    let decoded: usize = pairs
        .iter()
        .map(|(name, value)| name.chars().count() + value.chars().count())
        .sum();
    assert!(decoded <= bytes.len(), "decoding never grows");
}

fn check_text(ours: &str, theirs: &str) {
    if !theirs.contains(char::REPLACEMENT_CHARACTER) {
        assert_eq!(ours, theirs);
    }
}

/// `name=value&…` of these pairs.
pub fn encoded(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// The same names and values, in order.
pub fn assert_same(pairs: &Pairs, expected: &[(String, String)]) {
    let all: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    assert_eq!(all, expected);
}
