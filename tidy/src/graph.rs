//! The modules of one crate, and which file uses what is defined in which other file.
//!
//! A name counts for the file that defines it, whichever modules hand it on: a `pub use` is followed to the
//! definition. A parent's `mod child;` is no use, and its `pub use child::Name` is one only if the parent's own
//! code has that name in it.
//!
//! Not seen: calls of methods, whose file no name tells, and macros, which are found by their place in the text.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, Source, Use};

/// How many re-exports a name may go through.
const MOST_HOPS: usize = 16;

/// A crate's modules and the uses between its files.
#[derive(Debug)]
pub struct Graph {
    /// One for each file that is not for tests alone, the root first.
    pub files: Vec<File>,
    /// Every use of one file's names in another, each pair of files once, with the first place of it.
    pub edges: Vec<Edge>,
}

/// A file that is part of the crate.
#[derive(Debug)]
pub struct File {
    /// Its path below `src`.
    pub path: String,
    /// The names of its module, from the root's child down; none for the root.
    pub module: Vec<String>,
}

/// One file uses what another defines.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Which file uses, by its index.
    pub from: usize,
    /// Which file defines, by its index.
    pub to: usize,
    /// Where the user writes it.
    pub line: usize,
    /// What the user writes.
    pub written: String,
}

/// The sources of a crate, by path below `src`.
pub type Sources = BTreeMap<String, String>;

/// Reads a crate from its root file down.
pub fn graph(sources: &Sources, root: &str) -> Graph {
    let mut reader = Reader { sources, files: Vec::new(), modules: Vec::new() };
    reader.file(root, "", Vec::new(), None);
    let mut edges = BTreeMap::new();
    for module in 0..reader.modules.len() {
        for (to, line, path) in reader.used_by(module) {
            let from = reader.modules[module].file;
            let edge = Edge { from, to, line, written: path.join("::") };
            let first = edges.entry((from, to)).or_insert_with(|| edge.clone());
            if edge.line < first.line {
                *first = edge;
            }
        }
    }
    edges.retain(|(from, to), _| from != to);
    Graph { files: reader.files, edges: edges.into_values().collect() }
}

struct Module {
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    said: source::Module,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq)]
enum Target {
    Module(usize),
    ItemOf(usize),
}

impl Target {
    fn module(self) -> usize {
        let (Self::Module(module) | Self::ItemOf(module)) = self;
        module
    }
}

struct Reader<'a> {
    sources: &'a Sources,
    files: Vec<File>,
    modules: Vec<Module>,
}

impl Reader<'_> {
    /// Adds a file and everything it declares; `folder` is where the files of its modules stand.
    fn file(&mut self, path: &str, folder: &str, names: Vec<String>, parent: Option<usize>) -> Option<usize> {
        let Source { modules, .. } = source::read(self.sources.get(path)?);
        let file = self.files.len();
        self.files.push(File { path: path.to_owned(), module: names.clone() });
        let first = self.modules.len();
        for said in modules {
            let parent = said.parent.map_or(parent, |parent| Some(first + parent));
            self.modules.push(Module { file, parent, children: BTreeMap::new(), said });
        }
        for module in first..self.modules.len() {
            let inside = self.names_within(module, first);
            if let (Some(parent), true) = (self.modules[module].parent, module > first) {
                let name = self.modules[module].said.name.clone();
                self.modules[parent].children.insert(name, module);
            }
            let folder = inside.iter().fold(folder.to_owned(), |folder, name| format!("{folder}{name}/"));
            for name in self.modules[module].said.declared.clone() {
                let names: Vec<_> = names.iter().chain(&inside).chain([&name]).cloned().collect();
                let below = format!("{folder}{name}/");
                let child = self
                    .file(&format!("{folder}{name}.rs"), &below, names.clone(), Some(module))
                    .or_else(|| self.file(&format!("{below}mod.rs"), &below, names, Some(module)));
                self.modules[module].children.extend(child.map(|child| (name, child)));
            }
        }
        Some(first)
    }

    /// The names of the modules in braces between a file's own module and this one.
    fn names_within(&self, module: usize, first: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = module;
        while at != first {
            names.insert(0, self.modules[at].said.name.clone());
            let Some(parent) = self.modules[at].parent else { break };
            at = parent;
        }
        names
    }

    /// The files that a module uses, each with a line and the path as written.
    fn used_by(&self, module: usize) -> Vec<(usize, usize, &Vec<String>)> {
        let said = &self.modules[module].said;
        let uses = said.uses.iter().map(|line| (&line.path, line.line, self.imports(module, line)));
        let paths =
            said.paths.iter().map(|(path, line)| (path, *line, self.resolve(module, path, MOST_HOPS)));
        let found = uses.chain(paths);
        found.filter_map(|(path, line, to)| Some((self.modules[to?.module()].file, line, path))).collect()
    }

    /// What a `use` line makes its module depend on.
    fn imports(&self, module: usize, line: &Use) -> Option<Target> {
        let target = self.resolve(module, &line.path, MOST_HOPS)?;
        let is_face = line.is_public && self.is_within(target.module(), module);
        let is_named = line.name.as_ref().is_some_and(|name| self.modules[module].said.words.contains(name));
        (!is_face || is_named).then_some(target)
    }

    fn is_within(&self, module: usize, ancestor: usize) -> bool {
        module == ancestor
            || self.modules[module].parent.is_some_and(|parent| self.is_within(parent, ancestor))
    }

    /// Follows a path that is written in `from`; none where it leads to another crate.
    fn resolve(&self, from: usize, path: &[String], hops: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(0, rest, hops),
            "self" => self.descend(from, rest, hops),
            "super" => self.descend(self.modules[from].parent?, rest, hops),
            _ => self.find(from, path, hops),
        }
    }

    /// As `find`; a name that no source shows (a macro made it) counts for the module it was looked for in.
    fn descend(&self, module: usize, path: &[String], hops: usize) -> Option<Target> {
        match path.first().map(String::as_str) {
            None | Some("self") => Some(Target::Module(module)),
            Some("super") => self.descend(self.modules[module].parent?, &path[1..], hops),
            _ => self.find(module, path, hops).or(Some(Target::ItemOf(module))),
        }
    }

    fn find(&self, module: usize, path: &[String], hops: usize) -> Option<Target> {
        let hops = hops.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let Module { children, said, .. } = &self.modules[module];
        if let Some(child) = children.get(first) {
            return self.descend(*child, rest, hops);
        }
        if said.items.contains(first) {
            return Some(Target::ItemOf(module));
        }
        let named = said.uses.iter().filter(|line| line.name.as_ref() == Some(first));
        let mut named = named.filter_map(|line| {
            let longer: Vec<_> = line.path.iter().chain(rest).cloned().collect();
            self.resolve(module, &longer, hops)
        });
        named.next().or_else(|| {
            let globs = said.uses.iter().filter(|line| line.name.is_none());
            let mut within = globs.filter_map(|line| match self.resolve(module, &line.path, hops)? {
                Target::Module(within) if within != module => self.find(within, path, hops),
                _ => None,
            });
            within.next()
        })
    }
}

impl Graph {
    /// The shortest circle through each group of files that depend on one another, as the edges between them.
    pub fn circles(&self, unit: impl Fn(usize) -> Option<String>, edges: &[Edge]) -> Vec<Vec<Edge>> {
        let mut next: BTreeMap<String, BTreeMap<String, &Edge>> = BTreeMap::new();
        for edge in edges {
            if let (Some(from), Some(to)) = (unit(edge.from), unit(edge.to))
                && from != to
            {
                next.entry(from).or_default().entry(to).or_insert(edge);
            }
        }
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for start in next.keys() {
            if seen.contains(start) {
                continue;
            }
            if let Some(circle) = shortest_circle(&next, start) {
                seen.extend(circle.iter().flat_map(|edge| [unit(edge.from), unit(edge.to)]).flatten());
                found.push(circle.into_iter().cloned().collect());
            }
        }
        found
    }
}

fn shortest_circle<'a>(
    next: &BTreeMap<String, BTreeMap<String, &'a Edge>>,
    start: &str,
) -> Option<Vec<&'a Edge>> {
    let mut ways: Vec<(String, Vec<&Edge>)> = vec![(start.to_owned(), Vec::new())];
    let mut reached = BTreeSet::new();
    let mut at = 0;
    while let Some((unit, way)) = ways.get(at).cloned() {
        at += 1;
        for (to, edge) in next.get(&unit).into_iter().flatten() {
            let way: Vec<_> = way.iter().copied().chain([*edge]).collect();
            if to == start {
                return Some(way);
            }
            if reached.insert(to.clone()) {
                ways.push((to.clone(), way));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
