use super::*;

const DOWN: Layers = Layers { package: "p", inside: "", rows: &[&["lib"], &["a"], &["b", "c"]] };

fn sources(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect()
}

fn told(files: &[(&str, &str)], rules: &Rules<'_>) -> Vec<String> {
    imports(&sources(files), rules).iter().map(Failure::to_string).collect()
}

fn layered() -> Rules<'static> {
    Rules { package: "p", layers: vec![&DOWN], ..Rules::default() }
}

#[test]
fn a_use_of_what_stands_above_or_beside_fails() {
    let files = |b: &'static str| {
        vec![
            ("lib.rs", "mod a; mod b; mod c; pub use a::A;"),
            ("a.rs", "pub struct A; use crate::c::C;"),
            ("b.rs", b),
            ("c.rs", "pub struct C;"),
        ]
    };
    assert!(told(&files(""), &layered()).is_empty());
    let upward = told(&files("\nuse crate::A;"), &layered());
    assert_eq!(upward, ["p/src/b.rs:2: uses `crate::A`, which is in a.rs: `b` stands below `a`"]);
    let beside = told(&files("fn f() { crate::c::C }"), &layered());
    assert_eq!(beside, ["p/src/b.rs:1: uses `crate::c::C`, which is in c.rs: `b` stands beside `c`"]);
}

#[test]
fn a_module_that_no_row_names_fails() {
    let found = told(&[("lib.rs", "mod d;"), ("d.rs", "")], &layered());
    assert_eq!(found, ["layers.rs: the layers of p do not say where `d` stands"]);
}

#[test]
fn a_circle_through_a_re_export_fails() {
    let rules = Rules { package: "p", without_circles: vec![""], ..Rules::default() };
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; mod c; pub use b::B;"),
        ("a/b.rs", "pub struct B; use super::c::C;"),
        ("a/c.rs", "pub struct C; fn f() { crate::a::B }"),
    ];
    let circle = "uses `super::c::C`, which is in a/c.rs\n  \
                  p/src/a/c.rs:1: uses `crate::a::B`, which is in a/b.rs";
    let found = told(&files, &rules);
    assert_eq!(found, [format!("a circle of files:\n  p/src/a/b.rs:1: {circle}")]);
    let elsewhere = Rules { without_circles: vec!["d"], ..rules };
    assert!(told(&files, &elsewhere).is_empty());
}

#[test]
fn a_child_that_uses_a_parent_that_uses_it_is_a_circle_of_files_alone() {
    let rules = Rules { package: "p", without_circles: vec![""], ..Rules::default() };
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; fn f() { b::g() }"),
        ("a/b.rs", "use super::f; pub fn g() {}"),
    ];
    let found = told(&files, &rules);
    assert!(found.len() == 1 && found[0].starts_with("a circle of files:"), "{found:?}");
}

#[test]
fn a_circle_of_folders_fails_where_no_files_form_one() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod c; mod d;"),
        ("a/c.rs", "use crate::b::B;"),
        ("a/d.rs", "pub struct D;"),
        ("b.rs", "mod e; pub struct B;"),
        ("b/e.rs", "use crate::a::d::D;"),
    ];
    let found = told(&files, &Rules { package: "p", without_circles: vec![""], ..Rules::default() });
    assert!(found.len() == 1 && found[0].starts_with("a circle of folders:"), "{found:?}");
}

#[test]
fn what_is_tolerated_must_be_there_and_must_break_a_rule() {
    const ENTRY: NotYet = NotYet { package: "p", from: "b.rs", to: "a.rs" };
    let rules = Rules { not_yet: vec![&ENTRY], ..layered() };
    let files = |b: &'static str| {
        vec![
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "pub struct A;"),
            ("b.rs", b),
            ("c.rs", "fn f() { crate::a::A }"),
        ]
    };
    assert_eq!(told(&files("use crate::a::A;"), &rules).len(), 1, "only c's");
    let found = told(&files(""), &rules);
    assert!(found.len() == 2 && found[1].contains("breaks no rule any more"), "{found:?}");
}

#[test]
fn long_files_and_functions_fail() {
    let long = "fn f() {}\n".repeat(MOST_LINES + 1);
    let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}", "\n".repeat(MOST_LINES));
    let function = format!("fn g() {{\n{}}}", "\n".repeat(MOST_LINES_OF_A_FUNCTION - 1));
    let sources = sources(&[("a", &long), ("b", &tested), ("c", &function)]);
    let told = |tolerated: &[&str]| -> Vec<_> {
        sizes(&sources, tolerated).iter().map(Failure::to_string).collect()
    };
    let file = "a: 401 lines before its tests; at most 400 are allowed";
    let function = "c:1: the function `g` has 71 lines; at most 70 are allowed";
    assert_eq!(told(&[]), [file, function]);
    assert_eq!(told(&["a", "c: g"]), [""; 0]);
    let spare = "layers.rs: TOO_LONG tolerates b, which is not too long any more: remove the entry";
    assert_eq!(told(&["c: g", "b"]), [file, spare]);
}
