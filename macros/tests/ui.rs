//! Bad input is explained, and where it stands.

#[test]
fn bad_input_is_explained_where_it_stands() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
