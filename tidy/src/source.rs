//! What one source file says: its modules, what each of them names, and how long it and its functions are.
//!
//! Code that is built for tests alone (`#[cfg(test)]`, `#[cfg(all(test, ...))]`) names nothing: tests may reach
//! wherever they like. Its lines and its functions are counted.

use std::collections::BTreeSet;

use crate::tokens::{Kind, Token, tokens};

/// One source file.
#[derive(Debug, Default)]
pub struct Source {
    /// The file's own module first, then those written inside it with braces.
    pub modules: Vec<Module>,
    /// The lines before the module of tests at the foot.
    pub lines_before_tests: usize,
    /// Every function with a body, tests included.
    pub functions: Vec<Function>,
}

/// What a module declares and names.
#[derive(Debug, Default)]
pub struct Module {
    /// Its name; none for the file's own.
    pub name: String,
    /// The module of the same file that it stands in.
    pub parent: Option<usize>,
    /// The modules it declares that have a file of their own.
    pub declared: BTreeSet<String>,
    /// The types, functions and constants it defines.
    pub items: BTreeSet<String>,
    /// What its `use` lines import, one entry for each name.
    pub uses: Vec<Use>,
    /// The paths of two names and more elsewhere in its code, with their lines.
    pub paths: Vec<(Vec<String>, usize)>,
    /// The names in its code that begin a path or stand alone.
    pub words: BTreeSet<String>,
}

/// One imported name.
#[derive(Debug)]
pub struct Use {
    /// The path, from the first name to the last; a glob's without the star.
    pub path: Vec<String>,
    /// What it is called here; none for a glob.
    pub name: Option<String>,
    /// Whether others may import it from here.
    pub is_public: bool,
    /// Where it is written.
    pub line: usize,
}

/// A function with a body.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub line: usize,
    /// How many lines it has, from its `fn` to its last brace.
    pub lines: usize,
}

/// Reads a file.
pub fn read(text: &str) -> Source {
    let found = tokens(text);
    let lines_before_tests = tests_begin(&found).map_or(text.lines().count(), |line| line - 1);
    let mut reader = Reader { tokens: &found, at: 0, modules: Vec::new() };
    if !reader.is_for_tests_alone() {
        reader.module(String::new(), None);
    } else {
        reader.modules.push(Module::default());
    }
    Source { lines_before_tests, functions: functions(&found), modules: reader.modules }
}

/// The line on which the module of tests begins, if the file has one with braces.
fn tests_begin(tokens: &[Token]) -> Option<usize> {
    (0..tokens.len()).find_map(|at| {
        let (end, is_test) = attribute(tokens, at)?;
        let [module, _, brace, ..] = &tokens[end..] else { return None };
        (is_test && module.word() == Some("mod") && brace.is('{')).then_some(tokens[at].line)
    })
}

fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) = tokens.get(at + 1).and_then(Token::word) else { continue };
        if token.word() != Some("fn") {
            continue;
        }
        let end = end_of_item(tokens, at);
        if tokens[end - 1].is('}') {
            let lines = tokens[end - 1].line - token.line + 1;
            found.push(Function { name: name.to_owned(), line: token.line, lines });
        }
    }
    found
}

/// Where an attribute that begins at `at` ends, and whether it keeps what follows for tests.
fn attribute(tokens: &[Token], at: usize) -> Option<(usize, bool)> {
    let open = match &tokens[at..] {
        [hash, open, ..] if hash.is('#') && open.is('[') => at + 1,
        [hash, not, open, ..] if hash.is('#') && not.is('!') && open.is('[') => at + 2,
        _ => return None,
    };
    let end = closing(tokens, open) + 1;
    let body = &tokens[open + 1..end - 1];
    let is_test = match body {
        [cfg, _, predicate @ .., _] if cfg.word() == Some("cfg") => takes_test(predicate),
        _ => false,
    };
    Some((end, is_test))
}

/// Whether a condition is false in every build but one for tests: it is `test`, or `all(...)` with such a part.
fn takes_test(predicate: &[Token]) -> bool {
    match predicate {
        [word] => word.word() == Some("test"),
        [all, _, inner @ .., _] if all.word() == Some("all") => {
            let mut depth = 0;
            inner
                .split(|token| {
                    depth += i32::from(token.is('(')) - i32::from(token.is(')'));
                    depth == 0 && token.is(',')
                })
                .any(takes_test)
        }
        _ => false,
    }
}

/// The index of what closes the bracket at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Where the item, field, arm or statement that begins at `at` ends: behind its `;`, its `,` or its block.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let begins: Vec<_> = tokens[at..].iter().take(8).map_while(Token::word).collect();
    let is_value = match begins.iter().find(|word| **word != "pub") {
        Some(&"const") => !begins.contains(&"fn"),
        Some(word) => ["use", "static", "type", "let"].contains(word),
        None => false,
    };
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Sign(';') => return at + 1,
            Kind::Sign(',') if !is_value && !begins.contains(&"fn") => return at + 1,
            Kind::Sign('{') if !is_value => return closing(tokens, at) + 1,
            Kind::Sign('(' | '[' | '{') => at = closing(tokens, at),
            Kind::Sign(')' | ']' | '}') => return at,
            _ => {}
        }
        at += 1;
    }
    tokens.len()
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    modules: Vec<Module>,
}

impl Reader<'_> {
    fn word(&self, ahead: usize) -> Option<&str> {
        self.tokens.get(self.at + ahead).and_then(Token::word)
    }

    fn is(&self, ahead: usize, sign: char) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(sign))
    }

    /// Whether the file begins with `#![cfg(test)]` or the like.
    fn is_for_tests_alone(&self) -> bool {
        let mut at = 0;
        while let Some((end, is_test)) = attribute(self.tokens, at) {
            if is_test && self.tokens[at + 1].is('!') {
                return true;
            }
            at = end;
        }
        false
    }

    /// Reads a module's tokens to the brace that ends it, or to the end of the file.
    fn module(&mut self, name: String, parent: Option<usize>) {
        let own = self.modules.len();
        self.modules.push(Module { name, parent, ..Module::default() });
        let mut depth = 0;
        let mut is_public = false;
        while let Some(token) = self.tokens.get(self.at) {
            if let Some((end, is_test)) = attribute(self.tokens, self.at)
                && is_test
            {
                self.at = end_of_item(self.tokens, self.end_of_attributes(end));
                continue;
            }
            let was_public = std::mem::take(&mut is_public);
            match &token.kind {
                Kind::Sign('{') => depth += 1,
                Kind::Sign('}') if depth == 0 => {
                    self.at += 1;
                    return;
                }
                Kind::Sign('}') => depth -= 1,
                // A path that begins with colons names another crate, or goes on behind a type in angle brackets.
                Kind::Colons => self.at += usize::from(self.word(1).is_some()),
                Kind::Word(word) => {
                    is_public = self.begins_with(word, own, depth, was_public);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn end_of_attributes(&self, mut at: usize) -> usize {
        while let Some((end, _)) = attribute(self.tokens, at) {
            at = end;
        }
        at
    }

    /// Reads what a word begins; says whether what follows is public.
    fn begins_with(&mut self, word: &str, own: usize, depth: usize, is_public: bool) -> bool {
        match word {
            "pub" => {
                let within =
                    self.is(1, '(') && matches!(self.word(2), Some("crate" | "super" | "self" | "in"));
                self.at = if within { closing(self.tokens, self.at + 1) + 1 } else { self.at + 1 };
                return true;
            }
            "use" if !self.is(1, '<') => {
                self.at += 1;
                self.use_tree(own, &[], is_public);
            }
            "mod" if self.is(2, ';') => {
                let name = self.word(1).unwrap_or_default().to_owned();
                self.modules[own].declared.insert(name);
                self.at += 3;
            }
            "mod" if self.is(2, '{') => {
                let name = self.word(1).unwrap_or_default().to_owned();
                self.at += 3;
                self.module(name, Some(own));
            }
            "struct" | "enum" | "union" | "trait" | "type" | "static" | "const" | "fn" => {
                let mutable = usize::from(self.word(1) == Some("mut"));
                if depth == 0
                    && let Some(name) = self.word(1 + mutable).map(str::to_owned)
                {
                    self.modules[own].items.insert(name);
                }
                self.at += 1;
            }
            _ => self.path(own),
        }
        false
    }

    fn path(&mut self, own: usize) {
        let is_member = self.at > 0 && self.tokens[self.at - 1].is('.');
        let line = self.tokens[self.at].line;
        let mut path: Vec<String> = self.word(0).map(str::to_owned).into_iter().collect();
        self.at += 1;
        while self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Colons) {
            let Some(word) = self.word(1) else { break };
            path.push(word.to_owned());
            self.at += 2;
        }
        if !is_member {
            self.modules[own].words.extend(path.first().cloned());
            if path.len() > 1 {
                self.modules[own].paths.push((path, line));
            }
        }
    }

    /// Reads one branch of a `use`, to the comma, brace or semicolon behind it.
    fn use_tree(&mut self, own: usize, prefix: &[String], is_public: bool) {
        let mut path = prefix.to_vec();
        let line = self.tokens[self.at].line;
        let mut add = |path: &[String], name: Option<String>| {
            let path = path.to_vec();
            self.modules[own].uses.push(Use { path, name, is_public, line });
        };
        let mut at = self.at;
        let mut name = None;
        while let Some(token) = self.tokens.get(at) {
            match &token.kind {
                Kind::Word(word) if word == "as" => {
                    name = self.tokens.get(at + 1).and_then(Token::word).map(str::to_owned);
                    at += 1;
                }
                Kind::Word(word) if word == "self" && !path.is_empty() => name = path.last().cloned(),
                Kind::Word(word) => {
                    name = Some(word.clone());
                    path.push(word.clone());
                }
                Kind::Sign('*') => add(&path, None),
                Kind::Sign('{') => return self.use_list(at, own, &path, is_public),
                Kind::Colons => name = None,
                _ => break,
            }
            at += 1;
        }
        if let Some(name) = name {
            add(&path, Some(name));
        }
        self.at = at;
    }

    fn use_list(&mut self, open: usize, own: usize, prefix: &[String], is_public: bool) {
        let end = closing(self.tokens, open);
        self.at = open + 1;
        while self.at < end {
            self.use_tree(own, prefix, is_public);
            self.at += usize::from(self.at < end);
        }
        self.at = end + 1;
    }
}

#[cfg(test)]
mod tests;
