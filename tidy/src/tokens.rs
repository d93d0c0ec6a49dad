//! Rust source as tokens: what is left of it without comments, spaces, lifetimes and the contents of literals.
//!
//! A parser such as syn leaves the arguments of macros as they are, and uses inside them (`assert!`, `vec!`) would
//! not be seen. Tokens alone are enough for paths.

/// One token, and the line that it begins on, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it begins.
    pub line: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A name or a keyword; a raw name without its `r#`.
    Word(String),
    /// `::`.
    Colons,
    /// Any other sign, one character each.
    Sign(char),
    /// A string, a character or a number.
    Literal,
}

impl Token {
    /// Whether it is this sign.
    pub fn is(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// The name or keyword that it is.
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Splits a source file. It takes the source to be one that compiles.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { text: source.chars().collect(), at: 0, line: 1, found: Vec::new() };
    while reader.at < reader.text.len() {
        reader.step();
    }
    reader.found
}

struct Reader {
    text: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<Token>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> char {
        self.text.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == '\n' {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn step(&mut self) {
        let line = self.line;
        let kind = match (self.peek(0), self.peek(1)) {
            (space, _) if space.is_whitespace() => {
                self.skip(1);
                None
            }
            ('/', '/') => {
                self.skip_while(|sign| sign != '\n');
                None
            }
            ('/', '*') => {
                self.skip_comment();
                None
            }
            ('"', _) => self.string(0),
            ('\'', _) => self.quote(),
            (':', ':') => {
                self.skip(2);
                Some(Kind::Colons)
            }
            (digit, _) if digit.is_ascii_digit() => self.number(),
            (letter, _) if is_word(letter) => self.word(),
            (sign, _) => {
                self.skip(1);
                Some(Kind::Sign(sign))
            }
        };
        self.found.extend(kind.map(|kind| Token { kind, line }));
    }

    fn skip_while(&mut self, goes_on: impl Fn(char) -> bool) {
        while self.at < self.text.len() && goes_on(self.peek(0)) {
            self.skip(1);
        }
    }

    /// Comments between `/*` and `*/` nest.
    fn skip_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.skip(1);
                    continue;
                }
            }
            self.skip(2);
            if depth == 0 {
                return;
            }
        }
    }

    /// A string that stands here, with escapes.
    fn string(&mut self, prefix: usize) -> Option<Kind> {
        self.skip(prefix + 1);
        while self.at < self.text.len() && self.peek(0) != '"' {
            let escaped = self.peek(0) == '\\';
            self.skip(if escaped { 2 } else { 1 });
        }
        self.skip(1);
        Some(Kind::Literal)
    }

    /// A raw string that stands here, behind `prefix` letters: it ends at a quote with as many `#` as it began with.
    fn raw_string(&mut self, prefix: usize, hashes: usize) -> Option<Kind> {
        self.skip(prefix + hashes + 1);
        let ends =
            |reader: &Self| reader.peek(0) == '"' && (1..=hashes).all(|ahead| reader.peek(ahead) == '#');
        while self.at < self.text.len() && !ends(self) {
            self.skip(1);
        }
        self.skip(hashes + 1);
        Some(Kind::Literal)
    }

    /// A character, or a lifetime, which is no token.
    fn quote(&mut self) -> Option<Kind> {
        if self.peek(1) == '\\' {
            self.skip(3);
            self.skip_while(|sign| sign != '\'');
            self.skip(1);
        } else if self.peek(2) == '\'' {
            self.skip(3);
        } else {
            self.skip(1);
            self.skip_while(is_word);
            return None;
        }
        Some(Kind::Literal)
    }

    fn number(&mut self) -> Option<Kind> {
        self.skip_while(is_word);
        if self.peek(0) == '.' && self.peek(1).is_ascii_digit() {
            self.skip(1);
            self.skip_while(is_word);
        }
        Some(Kind::Literal)
    }

    /// A word, or what its letters are the prefix of: a string, a byte, a raw name.
    fn word(&mut self) -> Option<Kind> {
        let length = self.text[self.at..].iter().take_while(|sign| is_word(**sign)).count();
        let word: String = self.text[self.at..self.at + length].iter().collect();
        let hashes = self.text[self.at + length..].iter().take_while(|sign| **sign == '#').count();
        let quoted = self.peek(length + hashes) == '"';
        match word.as_str() {
            "r" | "br" | "cr" if quoted => return self.raw_string(length, hashes),
            "b" | "c" if self.peek(length) == '"' => return self.string(length),
            "b" if self.peek(length) == '\'' => {
                self.skip(1);
                return self.quote();
            }
            "r" if hashes == 1 && is_word(self.peek(2)) => {
                self.skip(2);
                return self.word();
            }
            _ => self.skip(length),
        }
        Some(Kind::Word(word))
    }
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source).iter().filter_map(|token| token.word().map(str::to_owned)).collect()
    }

    #[test]
    fn comments_strings_and_characters_hold_no_words() {
        let source = r##"a // b
            /* c /* d */ e */ f "g \" h" 'i' '\'' b'j' b"k" r"l" r#"m " n"# 'o' p"##;
        assert_eq!(words(source), ["a", "f", "p"]);
    }

    #[test]
    fn lifetimes_are_dropped_and_raw_names_are_names() {
        assert_eq!(words("fn f<'a>(x: &'a r#type) {}"), ["fn", "f", "x", "type"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let found = tokens("/* \n */ \"\n\n\" here");
        assert_eq!(found.last().map(|token| token.line), Some(4));
    }
}
