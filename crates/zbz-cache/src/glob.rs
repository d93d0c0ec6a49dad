//! [`Pattern`]: the one matcher, with one meaning for every provider.
//!
//! `*` matches any run of characters (also an empty one, and across `/` and `:`), `?` one character,
//! `[abc]` one of these, `[a-z]` one of a range, `[^a]` one that is not listed. `\` makes the next
//! character literal, in classes too. Characters are Unicode scalar values. A pattern is matched against
//! the whole name, in time proportional to pattern length times name length, without recursion.

use crate::error::{Error, ErrorKind, Result};

/// The longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// A glob pattern, checked once and matched often.
///
/// ```
/// use zbz_cache::Pattern;
///
/// let pattern = Pattern::new("user:[0-9]*")?;
/// assert!(pattern.matches("user:42"));
/// assert!(!pattern.matches("user:x"));
/// assert!(Pattern::new(&Pattern::escape("50%*[ok]"))?.matches("50%*[ok]"));
/// # Ok::<(), zbz_cache::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Run,
    One,
    Char(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Checks a pattern.
    ///
    /// # Errors
    ///
    /// `InvalidPattern`: longer than [`MAX_PATTERN_BYTES`], a class that is empty or not closed,
    /// or a `\` at the end. The message says where.
    pub fn new(pattern: &str) -> Result<Pattern> {
        if pattern.len() > MAX_PATTERN_BYTES {
            let len = pattern.len();
            return Err(invalid(format!("{len} bytes are more than the {MAX_PATTERN_BYTES} allowed")));
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut chars = pattern.char_indices();
        while let Some((at, char)) = chars.next() {
            let part = match char {
                '*' if parts.last() == Some(&Part::Run) => continue,
                '*' => Part::Run,
                '?' => Part::One,
                '[' => parse_class(&mut chars, at)?,
                '\\' => Part::Char(escaped(&mut chars, at)?),
                other => Part::Char(other),
            };
            parts.push(part);
        }
        Ok(Pattern { parts })
    }

    /// The pattern that matches exactly this text and nothing else.
    #[must_use]
    pub fn escape(text: &str) -> String {
        let mut pattern = String::with_capacity(text.len());
        for char in text.chars() {
            if matches!(char, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(char);
        }
        pattern
    }

    /// Whether the whole of `name` matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.parts.as_slice();
        let mut rest = name.chars();
        // The last `*` seen: the parts after it, and the rest of the name if it took one more
        // character.
        let mut retry: Option<(&[Part], std::str::Chars<'_>)> = None;
        loop {
            if let [Part::Run, after @ ..] = parts {
                if after.is_empty() {
                    return true;
                }
                parts = after;
                retry = Some((after, rest.clone()));
                continue;
            }
            let mut ahead = rest.clone();
            match (parts, ahead.next()) {
                ([], None) => return true,
                ([part, after @ ..], Some(char)) if part.matches(char) => {
                    (parts, rest) = (after, ahead);
                    continue;
                }
                // The name has ended: a longer run cannot help.
                (_, None) => return false,
                _ => {}
            }
            let Some((after, from)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            (parts, rest) = (after, from.clone());
        }
    }

    /// The literal text that every match begins with.
    #[must_use]
    pub fn literal_prefix(&self) -> String {
        let literal = |part: &Part| match part {
            Part::Char(char) => Some(*char),
            _ => None,
        };
        self.parts.iter().map_while(literal).collect()
    }
}

impl Part {
    fn matches(&self, char: char) -> bool {
        match self {
            Part::Run => false,
            Part::One => true,
            Part::Char(literal) => *literal == char,
            Part::Class { negated, ranges } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&char)) != *negated
            }
        }
    }
}

type Chars<'a> = std::str::CharIndices<'a>;

fn parse_class(chars: &mut Chars<'_>, opened: usize) -> Result<Part> {
    let unclosed = || invalid(format!("the class that opens at byte {opened} is not closed by ]"));
    let negated = chars.as_str().starts_with('^');
    if negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        let (at, char) = chars.next().ok_or_else(unclosed)?;
        let low = match char {
            ']' if ranges.is_empty() => {
                return Err(invalid(format!("the class that opens at byte {opened} is empty")));
            }
            ']' => return Ok(Part::Class { negated, ranges }),
            '\\' => escaped(chars, at)?,
            other => other,
        };
        let mut ahead = chars.clone();
        let is_range = ahead.next().is_some_and(|(_, char)| char == '-')
            && ahead.next().is_some_and(|(_, char)| char != ']');
        if !is_range {
            ranges.push((low, low));
            continue;
        }
        chars.next();
        let high = match chars.next().ok_or_else(unclosed)? {
            (at, '\\') => escaped(chars, at)?,
            (_, other) => other,
        };
        ranges.push((low.min(high), low.max(high)));
    }
}

fn escaped(chars: &mut Chars<'_>, at: usize) -> Result<char> {
    let missing = || invalid(format!("the \\ at byte {at} has nothing to escape; write \\\\ for one"));
    chars.next().map(|(_, char)| char).ok_or_else(missing)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidPattern, message)
}

#[cfg(test)]
mod tests;
