//! Guesses how a text is to be read, from its first lines and from the user's options.
//!
//! Invariants:
//! - A given option is never guessed, and every guess can be overridden by an option.
//! - A [`Plan`] describes its guesses in words, and says which are doubtful.
//! - A text that fits no guess is refused, with a description of it.
//!
//! Reading order: `comments` (lines that are none of it), `table` (the sample, split), `layout` (columns by a header's
//! names), `content` (columns by what is in them), `units` (of times), `doubts` (what else may be wrong), `words` (how it
//! is told).

use super::csv::columns_in_words;
use super::options::{Delimiter, Mark};
use super::rows::{self, Dialect};
use super::source::Source;
use super::{Format, Place, ReadAs, Records, TraceError, csv, lines, twitter};

mod comments;
mod content;
mod doubts;
mod layout;
mod table;
mod units;
mod words;

pub(super) use self::layout::Layout;
pub(super) use self::units::Units;

use self::layout::{FoundLayout, Header};
use self::table::{Sample, Table};

/// The character that stands around fields, unless the user says otherwise.
const QUOTE: u8 = b'"';

/// How a text is to be read.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) format: Format,
    pub(super) dialect: Dialect,
    /// Of a CSV trace.
    pub(super) layout: Layout,
    /// Whether the first row names the columns.
    pub(super) has_header: bool,
    pub(super) units: Units,
    /// The guesses, in one line.
    pub(super) words: String,
    /// The doubts about it, a sentence each.
    pub(super) doubts: Vec<String>,
}

impl Plan {
    /// The requests of a text, read so.
    pub(super) fn reader(&self, source: Source) -> Box<dyn Records> {
        match self.format {
            Format::Twitter => Box::new(twitter::Reader::new(source, self.dialect)),
            Format::Lines => Box::new(lines::Reader::new(source, self.dialect.comment)),
            _ => Box::new(csv::Reader::new(source, self)),
        }
    }
}

/// Why a text cannot be read: the number of the line, and its error.
pub(super) type Problem = (u64, String);

/// The plan for a text.
///
/// # Errors
///
/// Nothing tells how it is to be read, or what the user said of it does not fit.
pub(super) fn plan(source: &mut Source, read_as: &ReadAs) -> Result<Plan, TraceError> {
    let whole = source.sample_is_whole();
    let lines: Vec<Vec<u8>> =
        rows::lines_of(source.sample(), whole).into_iter().map(<[u8]>::to_vec).collect();
    let guess = Guess::of(&lines, whole, read_as);
    if guess.lines.is_empty() && !whole && read_as.format.is_none() {
        let problem =
            "begins with so many comments or empty lines that nothing tells the format; say --format";
        return Err(source.error(Place::File, problem));
    }
    guess.plan().map_err(|(line, problem)| source.error(Place::Line(line), problem))
}

/// A text about to be understood.
struct Guess<'a> {
    read_as: &'a ReadAs,
    /// The lines that are neither empty nor comments, with their numbers.
    lines: Vec<(u64, &'a [u8])>,
    /// The last comment before them, without its mark.
    comment_before: Option<&'a [u8]>,
    comment: Option<u8>,
    /// Whether the lines are all there are.
    is_whole: bool,
    doubts: Vec<String>,
}

impl<'a> Guess<'a> {
    fn of(lines: &'a [Vec<u8>], is_whole: bool, read_as: &'a ReadAs) -> Guess<'a> {
        let held = || lines.iter().zip(1..).filter(|(line, _)| !rows::is_blank(line));
        let (comment, doubt) = comments::of(lines, read_as);
        let is_comment = |line: &[u8]| comment.is_some() && line.first().copied() == comment;
        let before = held().take_while(|(line, _)| is_comment(line)).last();
        Guess {
            read_as,
            lines: held()
                .filter(|(line, _)| !is_comment(line))
                .map(|(line, number)| (number, &line[..]))
                .collect(),
            comment_before: before.map(|(line, _)| &line[1..]),
            comment,
            is_whole,
            doubts: doubt.into_iter().collect(),
        }
    }

    fn plan(self) -> Result<Plan, Problem> {
        let Some(&(first_number, first)) = self.lines.first() else {
            return Ok(self.lines_plan());
        };
        match self.read_as.format {
            Some(Format::Lines) => return Ok(self.lines_plan()),
            Some(Format::Twitter) => return Ok(self.twitter_plan()),
            _ => {}
        }
        let says_csv = self.read_as.says_csv();
        if !says_csv && is_json(first) {
            let problem = "the line is JSON; make CSV of it, as with jq -r '[.time, .key, .size] | @csv', \
                           or say --format lines if each line is a key";
            return Err((first_number, problem.to_owned()));
        }
        let mut best: Option<(Table, Claim)> = None;
        let delimiters: Vec<Delimiter> =
            self.read_as.delimiter.map_or_else(|| Delimiter::usual().collect(), |delimiter| vec![delimiter]);
        for delimiter in delimiters {
            let table = self.table(delimiter);
            let claim = self.claim(&table);
            let is_better = |(than, its): &(Table, Claim)| {
                (claim.strength(), table.width()) > (its.strength(), than.width())
            };
            if best.as_ref().is_none_or(is_better) {
                best = Some((table, claim));
            }
        }
        let Some((table, claim)) = best else { return Ok(self.lines_plan()) };
        match claim {
            Claim::Twitter => Ok(self.twitter_plan()),
            Claim::Columns(found) => Ok(self.csv_plan(table, *found)),
            _ if says_csv => {
                let found =
                    layout::demanded(&table, self.read_as).map_err(|problem| (first_number, problem))?;
                Ok(self.csv_plan(table, found))
            }
            Claim::Unnamed(problem) => Err((first_number, problem)),
            Claim::Even(_) | Claim::Nothing => self.without_columns(&table, claim),
        }
    }

    fn dialect(&self, delimiter: Delimiter) -> Dialect {
        let quote = self.read_as.quote.unwrap_or(Mark::Byte(QUOTE)).byte();
        Dialect { delimiter, quote, comment: self.comment }
    }

    fn sample(&self) -> Sample<'_> {
        Sample { lines: &self.lines, before: self.comment_before, is_whole: self.is_whole }
    }

    fn table(&self, delimiter: Delimiter) -> Table {
        let dialect = self.dialect(delimiter);
        let sample = self.sample();
        let unquoted = |quote| Table::unquoted(&sample, Dialect { quote, ..dialect });
        let quoted = Table::of(&sample, dialect);
        match (quoted, self.read_as.quote) {
            // Lines that have all their columns without quotes do not go on because of one.
            (Some(table), None) if table.has_joined => {
                let plain = unquoted(None);
                if plain.is_even() && plain.width() > 1 { plain } else { table }
            }
            (Some(table), _) => table,
            // A quote that is never closed is none, unless the user said so: then reading on will tell where.
            (None, said) => unquoted(said.and_then(Mark::byte)),
        }
    }

    /// The evidence for a table.
    fn claim(&self, table: &Table) -> Claim {
        if let Some(found) = layout::by_header(table, self.read_as) {
            return Claim::Columns(Box::new(found));
        }
        let header = self.read_as.has_header;
        if table.width() < 2 {
            let names_key = header != Some(false) && table.width() == 1 && layout::names_key(table.first());
            let found =
                || layout::demanded(table, &ReadAs { has_header: Some(true), ..self.read_as.clone() });
            return match names_key.then(found) {
                Some(Ok(found)) => Claim::Columns(Box::new(found)),
                _ => Claim::Nothing,
            };
        }
        if header != Some(true) && self.read_as.columns.names().next().is_none() {
            let format = self.read_as.format;
            if format.is_none() && is_twitter(table) {
                return Claim::Twitter;
            }
            if let Some(found) = content::of_columns(table, self.read_as) {
                return Claim::Columns(Box::new(found));
            }
        }
        if !table.is_mostly_even() {
            return Claim::Nothing;
        }
        if header.is_none() && layout::looks_like_header(table) {
            return match layout::demanded(table, &ReadAs { has_header: Some(true), ..self.read_as.clone() }) {
                Ok(found) => Claim::Columns(Box::new(found)),
                Err(problem) => Claim::Unnamed(problem),
            };
        }
        Claim::Even(table.dialect.delimiter)
    }

    /// One key a line, unless the lines have columns beyond doubt.
    fn without_columns(mut self, table: &Table, claim: Claim) -> Result<Plan, Problem> {
        let (number, _) = self.lines.first().copied().unwrap_or((1, b""));
        // Words with spaces or bars between them may be keys; as many commas on each line, or numbers side by side, are
        // not of keys.
        if let Claim::Even(delimiter) = claim
            && (delimiter.is_rare_in_keys() || table.numeric_columns() > 1)
        {
            let problem = format!(
                "the lines are separated by {} into {}, but neither a header nor what is in them tells which one is \
                 the key; say it by number, --key-column N, or --format lines if each line is a key",
                delimiter.words(),
                columns_in_words(table.width())
            );
            return Err((number, problem));
        }
        if !self.lines.iter().all(|(_, line)| line.iter().all(|&byte| !is_delimiter(byte))) {
            self.doubts.push(
                "some lines hold spaces or other delimiters, and each whole line is taken for a key; \
                 --delimiter and --key-column say otherwise"
                    .to_owned(),
            );
        }
        Ok(self.lines_plan())
    }

    fn lines_plan(self) -> Plan {
        let dialect = self.dialect(Delimiter::Byte(b','));
        let comments = self.comment_words();
        Plan {
            format: Format::Lines,
            dialect,
            layout: Layout::default(),
            has_header: false,
            units: Units::default(),
            words: format!("one key a line{comments}"),
            doubts: self.doubts,
        }
    }

    fn twitter_plan(self) -> Plan {
        let of = |delimiter| {
            let table = Table::unquoted(&self.sample(), Dialect { quote: None, ..self.dialect(delimiter) });
            is_twitter(&table).then_some(delimiter)
        };
        let found = self.read_as.delimiter.or_else(|| Delimiter::usual().find_map(of));
        let delimiter = found.unwrap_or(Delimiter::Byte(b','));
        Plan {
            format: Format::Twitter,
            words: format!(
                "Twitter's cache-trace, separated by {}{}",
                delimiter.words(),
                self.comment_words()
            ),
            dialect: Dialect { quote: None, ..self.dialect(delimiter) },
            ..self.lines_plan()
        }
    }

    fn csv_plan(mut self, table: Table, found: FoundLayout) -> Plan {
        let FoundLayout { mut layout, header, doubts } = found;
        let rows = &table.data(&header);
        if table.dialect.quote.is_none() && self.read_as.quote.is_none() {
            self.doubts.push(
                "quotes begin fields and are not closed on their lines, so they are read as a part of the fields; \
                 --quote says otherwise"
                    .to_owned(),
            );
        }
        if table.width() == 1 && self.read_as.delimiter.is_some() {
            self.doubts.push(format!(
                "the first line is not separated by {}, so each whole line is taken for a key",
                table.dialect.delimiter.words()
            ));
        }
        self.doubts.extend(doubts);
        self.doubts.extend(layout.settle_op(rows, &self.read_as.columns));
        let (units, doubts) = Units::of(rows, &layout, self.read_as);
        self.doubts.extend(doubts);
        self.doubts.extend(doubts::of(rows, &layout, &header, self.read_as));
        let words = words::of_csv(&table, &layout, &header, units) + &self.comment_words();
        let has_header = matches!(header, Header::Line(_));
        let dialect = table.dialect;
        Plan { format: Format::Csv, dialect, layout, has_header, units, words, doubts: self.doubts }
    }

    fn comment_words(&self) -> String {
        match self.comment.map(char::from) {
            Some(comment) => format!(", lines that begin with {comment} passed over"),
            None => String::new(),
        }
    }
}

/// The evidence for splitting lines at a delimiter.
enum Claim {
    /// Columns are known, by their names or by what is in them.
    Columns(Box<FoundLayout>),
    /// The lines are those of Twitter's cache-trace.
    Twitter,
    /// The first line looks like a header, and does not name the key; the problem with it.
    Unnamed(String),
    /// All lines have as many fields.
    Even(Delimiter),
    Nothing,
}

impl Claim {
    fn strength(&self) -> u8 {
        match self {
            Claim::Columns(found) if !matches!(found.header, Header::None) => 5,
            Claim::Twitter => 4,
            Claim::Columns(_) => 3,
            Claim::Unnamed(_) => 2,
            Claim::Even(_) => 1,
            Claim::Nothing => 0,
        }
    }
}

/// Whether the lines are of Twitter's cache-trace; a wrong one among them is reported when it is read.
fn is_twitter(table: &Table) -> bool {
    let rows = table.rows();
    let right = rows.iter().filter(|row| twitter::is_one(row)).count();
    twitter::is_one(table.first()) && right * 2 >= rows.len()
}

/// Whether a line begins an object of JSON, and not a key as `{user:1}:cart`.
fn is_json(line: &[u8]) -> bool {
    let object = line.trim_ascii_start().strip_prefix(b"{");
    object.is_some_and(|rest| matches!(rest.trim_ascii_start().first(), None | Some(b'"' | b'}')))
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b',' | b';' | b'|')
}

#[cfg(test)]
mod tests;
