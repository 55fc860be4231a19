//! Wrong uses of `#[handler]`, each named after the mistake: one error, on the token that is wrong, that says what to
//! write instead.

#[test]
fn wrong_handlers_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
