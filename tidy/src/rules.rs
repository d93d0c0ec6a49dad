//! The rules, applied to sources.

use std::collections::BTreeSet;
use std::fmt;

use crate::graph::{Edge, File, Graph, Sources, graph};
use crate::layers::{Layers, NotYet};
use crate::source::{Function, read};

const MOST_LINES: usize = 400;
const MOST_LINES_OF_A_FUNCTION: usize = 70;

/// What breaks a rule, and where.
#[derive(Debug, PartialEq)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rules that one crate keeps.
#[derive(Debug, Default)]
pub struct Rules<'a> {
    /// The crate's folder.
    pub package: &'a str,
    /// The modules below which no files may form a circle; empty names the root.
    pub without_circles: Vec<&'a str>,
    /// The lists that are the crate's.
    pub layers: Vec<&'a Layers>,
    /// What is tolerated in the crate.
    pub not_yet: Vec<&'a NotYet>,
}

/// Rule 1, for files given with their whole paths, except the tolerated ones: a file by its path, a
/// function by its file's path and its name. Each tolerated one must still be too long.
pub fn sizes(sources: &Sources, tolerated: &[&str]) -> Vec<Failure> {
    let mut too_long = Vec::new();
    for (path, text) in sources {
        let source = read(text);
        let lines = source.lines_before_tests;
        if lines > MOST_LINES {
            let told = format!("{path}: {lines} lines before its tests; at most {MOST_LINES} are allowed");
            too_long.push((path.clone(), told));
        }
        for Function { name, line, lines } in source.functions {
            if lines > MOST_LINES_OF_A_FUNCTION {
                let most = MOST_LINES_OF_A_FUNCTION;
                let told = format!(
                    "{path}:{line}: the function `{name}` has {lines} lines; at most {most} are allowed"
                );
                too_long.push((format!("{path}: {name}"), told));
            }
        }
    }
    let spare = tolerated.iter().filter(|entry| !too_long.iter().any(|(which, _)| which == *entry));
    let spare = spare.map(|entry| {
        Failure(format!(
            "layers.rs: TOO_LONG tolerates {entry}, which is not too long any more: remove the entry"
        ))
    });
    let failures = too_long.iter().filter(|(which, _)| !tolerated.contains(&which.as_str()));
    failures.map(|(_, told)| Failure(told.clone())).chain(spare).collect()
}

/// Rules 2 to 4, and that every tolerated use is still there and still breaks one of them.
pub fn imports(sources: &Sources, rules: &Rules<'_>) -> Vec<Failure> {
    let root = if sources.contains_key("lib.rs") { "lib.rs" } else { "main.rs" };
    let checked = Checked { graph: graph(sources, root), root, rules };
    let tolerated = |entry: &NotYet, edge: &Edge| {
        checked.path(edge.from) == entry.from && checked.path(edge.to) == entry.to
    };
    let without = |left_out: Option<&NotYet>| -> Vec<Edge> {
        let rest =
            rules.not_yet.iter().filter(|entry| left_out.is_none_or(|out| !std::ptr::eq(**entry, out)));
        let rest: Vec<_> = rest.collect();
        let edges = checked.graph.edges.iter();
        edges.filter(|edge| !rest.iter().any(|entry| tolerated(entry, edge))).cloned().collect()
    };
    let mut failures = checked.failures(&without(None));
    let known = failures.len();
    for entry in &rules.not_yet {
        if checked.failures(&without(Some(entry))).len() <= known {
            failures.push(Failure(format!(
                "layers.rs: NOT_YET tolerates that {} uses {} in {}, which breaks no rule any more: remove the entry",
                entry.from, entry.to, rules.package
            )));
        }
    }
    failures
}

struct Checked<'a> {
    graph: Graph,
    root: &'a str,
    rules: &'a Rules<'a>,
}

impl Checked<'_> {
    fn path(&self, file: usize) -> &str {
        &self.graph.files[file].path
    }

    fn failures(&self, edges: &[Edge]) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut edges = edges.to_vec();
        for layers in &self.rules.layers {
            // A use that points upward is reported once, not again as a part of every circle that it closes.
            let (upward, told) = self.upward(layers, &edges);
            edges.retain(|edge| !upward.contains(edge));
            failures.extend(told);
        }
        failures.extend(self.circles_of_files(&edges));
        failures.extend(self.circles_of_folders(&edges));
        failures
    }

    fn circles_of_files(&self, edges: &[Edge]) -> Vec<Failure> {
        let within = |file: usize| {
            let module = self.graph.files[file].module.join("::");
            self.rules.without_circles.iter().any(|inside| {
                inside.is_empty() || module == **inside || module.starts_with(&format!("{inside}::"))
            })
        };
        let unit = |file: usize| within(file).then(|| self.path(file).to_owned());
        let circles = self.graph.circles(unit, edges);
        circles.iter().map(|circle| self.circle("files", circle)).collect()
    }

    fn circles_of_folders(&self, edges: &[Edge]) -> Vec<Failure> {
        let parent = |file: &File| file.module.split_last().map(|(_, parent)| parent.join("::"));
        let parents: BTreeSet<_> = self.graph.files.iter().filter_map(parent).collect();
        let mut failures = Vec::new();
        for parent in &parents {
            let is_folder =
                |name: &String| parent.is_empty() || parents.contains(&format!("{parent}::{name}"));
            let circles = self.graph.circles(|file| self.unit(file, parent).filter(is_folder), edges);
            failures.extend(circles.iter().map(|circle| self.circle("folders", circle)));
        }
        failures
    }

    fn circle(&self, what: &str, circle: &[Edge]) -> Failure {
        let steps = circle.iter().map(|edge| self.step(edge));
        Failure(format!("a circle of {what}:\n  {}", steps.collect::<Vec<_>>().join("\n  ")))
    }

    fn step(&self, edge: &Edge) -> String {
        let (package, from, to) = (self.rules.package, self.path(edge.from), self.path(edge.to));
        format!("{package}/src/{from}:{}: uses `{}`, which is in {to}", edge.line, edge.written)
    }

    /// The child of a module that a file belongs to.
    fn unit(&self, file: usize, parent: &str) -> Option<String> {
        let module = &self.graph.files[file].module;
        let depth = if parent.is_empty() { 0 } else { parent.split("::").count() };
        (module.len() > depth && module[..depth].join("::") == parent).then(|| module[depth].clone())
    }

    /// As `unit`, with the parent's own file.
    fn unit_or_own(&self, file: usize, parent: &str) -> Option<String> {
        let own = parent.rsplit("::").next().filter(|name| !name.is_empty());
        let own = own.unwrap_or(self.root.trim_end_matches(".rs"));
        let is_own = self.graph.files[file].module.join("::") == parent;
        self.unit(file, parent).or(is_own.then(|| own.to_owned()))
    }

    /// The uses that point upward or sideways, and what is said of them and of modules without a row.
    fn upward(&self, layers: &Layers, edges: &[Edge]) -> (Vec<Edge>, Vec<Failure>) {
        let row = |name: &str| layers.rows.iter().position(|row| row.contains(&name));
        let (mut upward, mut failures) = (Vec::new(), Vec::new());
        let units: BTreeSet<_> =
            (0..self.graph.files.len()).filter_map(|file| self.unit(file, layers.inside)).collect();
        let place = format!("the layers of {} {}", layers.package, layers.inside);
        for name in units.iter().filter(|name| row(name).is_none()) {
            failures.push(Failure(format!("layers.rs: {} do not say where `{name}` stands", place.trim())));
        }
        for edge in edges {
            let units =
                (self.unit_or_own(edge.from, layers.inside), self.unit_or_own(edge.to, layers.inside));
            let (Some(from), Some(to)) = units else { continue };
            let (Some(above), Some(below)) = (row(&from), row(&to)) else { continue };
            if from != to && above >= below {
                upward.push(edge.clone());
                let how = if above == below { "beside" } else { "below" };
                failures.push(Failure(format!("{}: `{from}` stands {how} `{to}`", self.step(edge))));
            }
        }
        (upward, failures)
    }
}

#[cfg(test)]
mod tests;
