//! Lines of a text, and their fields.
//!
//! Invariants:
//! - A line is held once, and only up to a limit, so that memory does not follow the input.
//! - The number of a line is its own in the file, whatever was passed over before it.

use memchr::{memchr, memchr_iter};

use super::options::Delimiter;
use super::source::Source;
use super::{MAX_KEY_BYTES, Place, TraceError};

/// The longest line that is split into fields.
pub(super) const MAX_LINE_BYTES: usize = 1 << 20;

/// The byte order mark of a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How lines are told apart from each other, from comments, and into fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: Delimiter,
    /// Stands around fields that hold a delimiter.
    pub(super) quote: Option<u8>,
    /// Begins lines that are passed over.
    pub(super) comment: Option<u8>,
}

/// The lines of a text, without their ends: LF, CR LF, or CR where there is no LF.
pub(super) struct Lines {
    source: Source,
    end: u8,
    /// Lines read so far.
    count: u64,
}

impl Lines {
    pub(super) fn new(mut source: Source) -> Self {
        if source.sample().starts_with(BYTE_ORDER_MARK) {
            source.advance(BYTE_ORDER_MARK.len());
        }
        let end = line_end(source.sample());
        Lines { source, end, count: 0 }
    }

    /// Appends the next line to `line` and answers whether there was one.
    ///
    /// # Errors
    ///
    /// The file cannot be read on, or `line` came to more than `limit` bytes.
    pub(super) fn read(&mut self, line: &mut Vec<u8>, limit: usize) -> Result<bool, TraceError> {
        self.count += 1;
        let place = self.place();
        let mut begun = false;
        loop {
            let head = self.source.head(place)?;
            if head.is_empty() {
                break;
            }
            begun = true;
            let end = memchr(self.end, head);
            let part = &head[..end.unwrap_or(head.len())];
            // One byte more for the carriage return.
            if line.len() + part.len() > limit + 1 {
                return Err(self.too_long(limit));
            }
            line.extend_from_slice(part);
            let taken = part.len() + usize::from(end.is_some());
            self.source.advance(taken);
            if end.is_some() {
                break;
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > limit {
            return Err(self.too_long(limit));
        }
        Ok(begun)
    }

    /// That of the last line.
    pub(super) fn place(&self) -> Place {
        Place::Line(self.count)
    }

    pub(super) fn error(&self, place: Place, problem: impl Into<String>) -> TraceError {
        self.source.error(place, problem)
    }

    fn too_long(&self, limit: usize) -> TraceError {
        let than = if limit == MAX_KEY_BYTES { "a key may be" } else { "a request may be" };
        let problem = format!("the line is longer than {than}; expected at most {limit} bytes");
        self.error(self.place(), problem)
    }
}

/// The byte that ends lines.
pub(super) fn line_end(sample: &[u8]) -> u8 {
    if memchr(b'\n', sample).is_none() && memchr(b'\r', sample).is_some() { b'\r' } else { b'\n' }
}

/// The lines of a sample, as [`Lines`] gives them; the last one only if the sample is the whole text.
pub(super) fn lines_of(sample: &[u8], whole: bool) -> Vec<&[u8]> {
    let text = sample.strip_prefix(BYTE_ORDER_MARK).unwrap_or(sample);
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == line_end(sample)).collect();
    if !whole && lines.len() > 1 || lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect()
}

/// Whether a line holds nothing.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// One line split into fields. Reused from one to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    bytes: Vec<u8>,
    /// Where each field begins and ends.
    fields: Vec<(usize, usize)>,
    unquoted: Vec<u8>,
}

/// A quote that is not closed on its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclosed;

impl Row {
    /// One without fields.
    pub(super) const EMPTY: Row = Row { bytes: Vec::new(), fields: Vec::new(), unquoted: Vec::new() };

    /// The fields of one line.
    pub(super) fn of(line: &[u8], dialect: Dialect) -> Result<Row, Unclosed> {
        let mut row = Row { bytes: line.to_vec(), ..Row::default() };
        row.split(dialect)?;
        Ok(row)
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The field of this index; an empty one where there is none.
    pub(super) fn field(&self, index: usize) -> &[u8] {
        self.fields.get(index).map_or(&[], |&(begin, end)| &self.bytes[begin..end])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().map(|&(begin, end)| &self.bytes[begin..end])
    }

    /// From the beginning of one field to the end of another, with what separates them.
    pub(super) fn span(&self, first: usize, last: usize) -> &[u8] {
        match (self.fields.get(first), self.fields.get(last)) {
            (Some(&(begin, _)), Some(&(_, end))) if begin <= end => &self.bytes[begin..end],
            _ => &[],
        }
    }

    /// Whether it has so many fields; some writers end every line with a delimiter.
    pub(super) fn has(&self, columns: usize) -> bool {
        self.len() == columns || self.len() == columns + 1 && self.field(columns).is_empty()
    }

    /// Whether it has the same fields as another.
    pub(super) fn is_same(&self, other: &Row) -> bool {
        self.bytes == other.bytes && self.fields == other.fields
    }

    fn split(&mut self, dialect: Dialect) -> Result<(), Unclosed> {
        self.fields.clear();
        match (dialect.quote, dialect.delimiter) {
            (Some(quote), delimiter) if memchr(quote, &self.bytes).is_some() => {
                self.split_quoted(quote, delimiter)?;
            }
            (_, Delimiter::Byte(delimiter)) => {
                let mut begin = 0;
                for end in memchr_iter(delimiter, &self.bytes) {
                    self.fields.push((begin, end));
                    begin = end + 1;
                }
                self.fields.push((begin, self.bytes.len()));
            }
            (_, Delimiter::Blanks) => {
                let mut begin = 0;
                for field in self.bytes.split(|&byte| is_blank_byte(byte)) {
                    let end = begin + field.len();
                    if !field.is_empty() {
                        self.fields.push((begin, end));
                    }
                    begin = end + 1;
                }
            }
        }
        Ok(())
    }

    /// A field that begins with a quote ends with one; two of them within it stand for one.
    fn split_quoted(&mut self, quote: u8, delimiter: Delimiter) -> Result<(), Unclosed> {
        let is_delimiter = |byte: u8| match delimiter {
            Delimiter::Byte(delimiter) => byte == delimiter,
            Delimiter::Blanks => is_blank_byte(byte),
        };
        self.unquoted.clear();
        let mut rest = &self.bytes[..];
        loop {
            if delimiter == Delimiter::Blanks {
                rest = rest.trim_ascii_start();
                if rest.is_empty() {
                    break;
                }
            }
            let begin = self.unquoted.len();
            // Spaces before a quote are no part of the field: ` "a, b"`. A tab between columns is no such space.
            let is_space = |byte: &u8| byte.is_ascii_whitespace() && !is_delimiter(*byte);
            let spaces = rest.iter().take_while(|byte| is_space(byte)).count();
            let quoted = rest[spaces..].strip_prefix(&[quote]);
            if let Some(quoted) = quoted {
                rest = quoted;
                loop {
                    let end = memchr(quote, rest).ok_or(Unclosed)?;
                    self.unquoted.extend_from_slice(&rest[..end]);
                    rest = &rest[end + 1..];
                    match rest.strip_prefix(&[quote]) {
                        Some(more) => {
                            self.unquoted.push(quote);
                            rest = more;
                        }
                        None => break,
                    }
                }
            }
            let end = rest.iter().position(|&byte| is_delimiter(byte)).unwrap_or(rest.len());
            // Nor are those behind one.
            if quoted.is_none() || !is_blank(&rest[..end]) {
                self.unquoted.extend_from_slice(&rest[..end]);
            }
            self.fields.push((begin, self.unquoted.len()));
            match rest.get(end + 1..) {
                Some(more) => rest = more,
                None => break,
            }
        }
        std::mem::swap(&mut self.bytes, &mut self.unquoted);
        Ok(())
    }
}

fn is_blank_byte(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The lines of a text that hold something, split into fields.
pub(super) struct Rows {
    lines: Lines,
    dialect: Dialect,
    row: Row,
    /// Where the row begins.
    place: Place,
}

impl Rows {
    pub(super) fn new(source: Source, dialect: Dialect) -> Self {
        Rows { lines: Lines::new(source), dialect, row: Row::default(), place: Place::Line(1) }
    }

    /// Reads the next line that is neither empty nor a comment, and answers whether there was one.
    ///
    /// # Errors
    ///
    /// The file cannot be read on, the line is too long, or a quote is never closed.
    pub(super) fn read(&mut self) -> Result<bool, TraceError> {
        loop {
            self.row.bytes.clear();
            if !self.lines.read(&mut self.row.bytes, MAX_LINE_BYTES)? {
                return Ok(false);
            }
            let first = self.row.bytes.first().copied();
            if first.is_some() && first == self.dialect.comment {
                continue;
            }
            if first.is_none_or(|first| first.is_ascii_whitespace()) && is_blank(&self.row.bytes) {
                continue;
            }
            self.place = self.lines.place();
            return self.split().map(|()| true);
        }
    }

    /// Splits the line, with those after it to which a quoted field goes on.
    fn split(&mut self) -> Result<(), TraceError> {
        /// A field over more lines is taken for a quote that begins nothing. As long as the sample of a guess.
        const MOST_BYTES: usize = 64 * 1024;

        while self.row.split(self.dialect) == Err(Unclosed) {
            self.row.bytes.push(b'\n');
            let goes_on = self.row.bytes.len() < MOST_BYTES;
            if !goes_on || !self.lines.read(&mut self.row.bytes, MAX_LINE_BYTES)? {
                let problem = "a field begins with a quote that is never closed; \
                               if quotes are a part of the fields, say --quote none";
                return Err(self.error(problem));
            }
        }
        Ok(())
    }

    pub(super) fn row(&self) -> &Row {
        &self.row
    }

    /// An error of the row that was read last.
    pub(super) fn error(&self, problem: impl Into<String>) -> TraceError {
        self.lines.error(self.place, problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(delimiter: Delimiter) -> Dialect {
        Dialect { delimiter, quote: Some(b'"'), comment: Some(b'#') }
    }

    fn fields(line: &str, delimiter: Delimiter) -> Result<Vec<String>, Unclosed> {
        let row = Row::of(line.as_bytes(), dialect(delimiter))?;
        Ok(row.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect())
    }

    #[test]
    fn fields_may_be_empty_and_quoted_ones_hold_delimiters_and_quotes() {
        let comma = |line| fields(line, Delimiter::Byte(b',')).unwrap();
        assert_eq!(comma("a,,b,"), ["a", "", "b", ""]);
        assert_eq!(comma("\"a,\"\"b\"\"\",n:\"u,\"\""), ["a,\"b\"", "n:\"u", ""]);
        assert_eq!(comma("a, \"b,c\" , d"), ["a", "b,c", " d"]);
        assert_eq!(fields("a,\"b", Delimiter::Byte(b',')), Err(Unclosed));
        for (delimiter, line) in
            [(b'\t', "1\t\t\"a b\"\t5"), (b' ', "1  \"a b\" 5"), (b'\t', "1\t\t \"a b\"\t5")]
        {
            assert_eq!(fields(line, Delimiter::Byte(delimiter)).unwrap(), ["1", "", "a b", "5"], "{line:?}");
        }
        let blanks = |line| fields(line, Delimiter::Blanks).unwrap();
        assert_eq!(blanks("  1\ta  22 "), ["1", "a", "22"]);
        assert_eq!(blanks(" 1  \"a b\" 2 "), ["1", "a b", "2"]);
    }

    #[test]
    fn rows_know_their_own_lines_whatever_is_passed_over() {
        let text = b"\xEF\xBB\xBF# one\r\na,1\r\n\r\n \r\n# two \"\r\n\"b\r\nc\",2\r\nd,3";
        let mut rows = Rows::new(Source::of(text), dialect(Delimiter::Byte(b',')));
        let mut found = Vec::new();
        while rows.read().unwrap() {
            found.push((rows.row().field(0).to_vec(), rows.place));
        }
        let expected = [(&b"a"[..], 2), (b"b\nc", 6), (b"d", 8)];
        assert_eq!(found, expected.map(|(key, line)| (key.to_vec(), Place::Line(line))));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_where_it_begins() {
        let text = [&b"a,1\n\"b,2\n"[..], &b"c,3\n".repeat(50_000)].concat();
        let mut rows = Rows::new(Source::of(&text), dialect(Delimiter::Byte(b',')));
        assert!(rows.read().unwrap());
        let message = rows.read().unwrap_err().to_string();
        assert!(message.starts_with("trace, line 2: ") && message.contains("--quote none"), "{message}");
    }

    #[test]
    fn lines_may_end_in_carriage_returns_alone() {
        let mut lines = Lines::new(Source::of(b"a\rb\r"));
        let mut line = Vec::new();
        assert!(lines.read(&mut line, 9).unwrap());
        assert_eq!(line, b"a");
        assert_eq!(lines_of(b"a\rb\r", true), [b"a", b"b"]);
        assert_eq!(lines_of(b"a\r\nb\r\nc", false), [b"a", b"b"]);
    }
}
