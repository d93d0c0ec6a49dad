use super::*;

fn edges(sources: &[(&str, &str)]) -> Vec<String> {
    let sources = sources.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    let graph = graph(&sources, "lib.rs");
    let name = |file: usize| graph.files[file].path.trim_end_matches(".rs").to_owned();
    let mut found: Vec<_> =
        graph.edges.iter().map(|edge| format!("{} > {}", name(edge.from), name(edge.to))).collect();
    found.sort();
    found
}

#[test]
fn a_name_counts_for_the_file_that_defines_it() {
    let found = edges(&[
        ("lib.rs", "mod a; mod b; mod c; pub use b::Shown;"),
        ("a.rs", "use crate::Shown;"),
        ("b.rs", "mod d; pub use d::Shown;"),
        ("b/d.rs", "pub struct Shown;"),
        ("c.rs", "fn f() { crate::b::Shown::new() }"),
    ]);
    assert_eq!(found, ["a > b/d", "c > b/d"]);
}

#[test]
fn supers_inline_paths_and_globs_are_followed() {
    let found = edges(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "mod d;"),
        ("a/d.rs", "mod e;"),
        ("a/d/e.rs", "fn f() { super::super::super::b::g(); }"),
        ("b.rs", "pub use crate::c::*; pub fn g() {}"),
        ("c.rs", "pub enum H { I } use crate::a; fn j() { a::d::e::f() }"),
    ]);
    assert_eq!(found, ["a/d/e > b", "b > c", "c > a", "c > a/d/e"]);
}

#[test]
fn a_parent_that_shows_a_child_does_not_use_it_until_its_code_does() {
    let child = ("a/b.rs", "use super::Own; pub struct Child;");
    let shows = ("a.rs", "mod b; pub use self::b::Child; pub struct Own;");
    let uses = ("a.rs", "mod b; pub use self::b::Child; pub struct Own(Child);");
    assert_eq!(edges(&[("lib.rs", "mod a;"), shows, child]), ["a/b > a"]);
    assert_eq!(edges(&[("lib.rs", "mod a;"), uses, child]), ["a > a/b", "a/b > a"]);
}

#[test]
fn other_crates_are_no_files() {
    assert!(edges(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use b::C; std::d();"), ("b.rs", "")]).is_empty());
}

#[test]
fn what_a_macro_makes_counts_for_its_module() {
    let found =
        edges(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::Made;"), ("b.rs", "make!(Made);")]);
    assert_eq!(found, ["a > b"]);
}
