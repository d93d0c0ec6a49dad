//! The first lines of a text, split at a delimiter.

use super::super::fields;
use super::super::rows::{Dialect, Row};
use super::layout::Header;

/// Rows that a guess looks at.
const MOST_ROWS: usize = 200;

/// The lines of a text's beginning.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    /// Those that are neither empty nor comments, with their numbers.
    pub(super) lines: &'a [(u64, &'a [u8])],
    /// The last comment before them.
    pub(super) before: Option<&'a [u8]>,
    /// Whether they are all there are.
    pub(super) is_whole: bool,
}

/// A sample of a text as rows.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) dialect: Dialect,
    rows: Vec<Row>,
    /// Whether a quoted field goes over more than one line, or beyond the sample.
    pub(super) has_joined: bool,
    /// The last comment before them, split as they are.
    pub(super) before: Option<Row>,
}

impl Table {
    /// `None` where a quote is never closed.
    pub(super) fn of(sample: &Sample<'_>, dialect: Dialect) -> Option<Table> {
        let lines = sample.lines;
        let mut rows = Vec::new();
        let (mut at, mut has_joined) = (0, false);
        while at < lines.len() && rows.len() < MOST_ROWS {
            let Some((row, taken)) = row_at(&lines[at..], dialect) else {
                // A row that the end of the sample cuts is no sign of a quote that is never closed.
                if sample.is_whole || rows.is_empty() {
                    return None;
                }
                has_joined = true;
                break;
            };
            rows.push(row);
            at += taken;
            has_joined |= taken > 1;
        }
        let before = sample.before.and_then(|line| Row::of(line.trim_ascii(), dialect).ok());
        Some(Table { dialect, rows, has_joined, before })
    }

    /// The same where quotes mean nothing.
    pub(super) fn unquoted(sample: &Sample<'_>, dialect: Dialect) -> Table {
        let plain = Dialect { quote: None, ..dialect };
        let rows =
            sample.lines.iter().take(MOST_ROWS).filter_map(|(_, line)| Row::of(line, plain).ok()).collect();
        Table {
            dialect,
            rows,
            has_joined: false,
            before: sample.before.and_then(|line| Row::of(line.trim_ascii(), plain).ok()),
        }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows but the header, however often it stands among them.
    pub(super) fn data(&self, header: &Header) -> Vec<Row> {
        let is_data = |row: &&Row| match header {
            Header::Line(names) => !row.is_same(names),
            Header::Comment(_) | Header::None => true,
        };
        self.rows.iter().filter(is_data).cloned().collect()
    }

    pub(super) fn first(&self) -> &Row {
        const NONE: &Row = &Row::EMPTY;
        self.rows.first().unwrap_or(NONE)
    }

    /// Columns of the first row.
    pub(super) fn width(&self) -> usize {
        self.first().len()
    }

    /// How many columns hold nothing but numbers.
    pub(super) fn numeric_columns(&self) -> usize {
        let is_numeric = |column: &usize| self.rows.iter().all(|row| fields::is_number(row.field(*column)));
        (0..self.width()).filter(is_numeric).count()
    }

    /// Whether all rows have as many columns.
    pub(super) fn is_even(&self) -> bool {
        self.rows.iter().all(|row| row.len() == self.width())
    }

    /// Whether most rows have as many columns as the first one: a wrong one is reported when it is read.
    pub(super) fn is_mostly_even(&self) -> bool {
        let even = self.rows.iter().filter(|row| row.has(self.width())).count();
        even * 3 >= self.rows.len() * 2
    }
}

/// The row that begins with these lines, and how many of them it takes.
fn row_at(lines: &[(u64, &[u8])], dialect: Dialect) -> Option<(Row, usize)> {
    let mut text = Vec::new();
    for (taken, (_, line)) in lines.iter().enumerate() {
        text.extend_from_slice(line);
        // A line without a quote closes none.
        let may_end = taken == 0 || dialect.quote.is_some_and(|quote| line.contains(&quote));
        if may_end && let Ok(row) = Row::of(&text, dialect) {
            return Some((row, taken + 1));
        }
        text.push(b'\n');
    }
    None
}
