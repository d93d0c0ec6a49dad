use super::*;

fn own(text: &str) -> Module {
    read(text).modules.swap_remove(0)
}

fn paths(module: &Module) -> Vec<String> {
    module.paths.iter().map(|(path, _)| path.join("::")).collect()
}

fn uses(module: &Module) -> Vec<String> {
    module.uses.iter().map(|line| format!("{} as {:?}", line.path.join("::"), line.name)).collect()
}

#[test]
fn nested_imports_are_flattened() {
    let module = own("use crate::{a::{self, B as C}, d::*, e};\npub(crate) use f::G;");
    let expected = [
        "crate::a as Some(\"a\")",
        "crate::a::B as Some(\"C\")",
        "crate::d as None",
        "crate::e as Some(\"e\")",
        "f::G as Some(\"G\")",
    ];
    assert_eq!(uses(&module), expected);
    assert!(module.uses[4].is_public && !module.uses[0].is_public);
    assert_eq!(module.uses[4].line, 2);
}

#[test]
fn inline_paths_are_found_and_members_and_strings_are_not() {
    let module = own("fn f() { crate::a::b(); c.d::<E>(); <F as super::G>::h(); \"crate::i\"; ::std::j(); }");
    assert_eq!(paths(&module), ["crate::a::b", "super::G"]);
    assert!(!module.words.contains("d"));
}

#[test]
fn code_for_tests_names_nothing() {
    let text = "#[cfg(test)] use crate::a::B;\n#[cfg(all(test, not(loom)))] mod tests { use crate::c; }\n\
                #[cfg(not(test))] use crate::d;\n#[cfg(test)] fn e(f: F, g: G) { crate::h::i() }\n\
                struct J { #[cfg(test)] k: crate::l::M, n: crate::o::P }";
    let module = own(text);
    assert_eq!(uses(&module), ["crate::d as Some(\"d\")"]);
    assert_eq!(paths(&module), ["crate::o::P"]);
    assert!(own("#![cfg(test)]\nuse crate::a;").uses.is_empty());
}

#[test]
fn modules_in_braces_stand_apart() {
    let modules = read("mod a { pub use super::B; pub mod c; } struct D;").modules;
    assert_eq!((modules[1].name.as_str(), modules[1].parent), ("a", Some(0)));
    assert_eq!(modules[1].uses.len(), 1);
    assert!(modules[1].declared.contains("c") && modules[0].items.contains("D"));
}

#[test]
fn lines_end_where_the_tests_begin_and_functions_at_their_brace() {
    let source = read("fn a() {\n}\ntrait B { fn c(); }\n#[cfg(test)]\nmod tests {\n fn d() {}\n}\n");
    assert_eq!(source.lines_before_tests, 3);
    let found: Vec<_> = source.functions.iter().map(|found| (found.name.as_str(), found.lines)).collect();
    assert_eq!(found, [("a", 2), ("d", 1)]);
    assert_eq!(read("#[cfg(test)]\nmod tests;\n").lines_before_tests, 2);
}
