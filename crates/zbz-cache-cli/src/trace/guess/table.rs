//! The first lines of a text, split at a delimiter.

use super::super::fields;
use super::super::rows::{Dialect, Row};
use super::layout::Header;

/// Rows that a guess looks at.
const MOST_ROWS: usize = 200;

/// Lines over which a quoted field may go, for a guess.
const MOST_LINES: usize = 20;

/// A sample of a text as rows.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) dialect: Dialect,
    rows: Vec<Row>,
    /// Whether a quoted field goes over more than one line.
    pub(super) has_joined: bool,
    /// The last comment before them, split as they are.
    pub(super) before: Option<Row>,
}

impl Table {
    /// `None` where a quote is never closed.
    pub(super) fn of(lines: &[(u64, &[u8])], before: Option<&[u8]>, dialect: Dialect) -> Option<Table> {
        let mut rows = Vec::new();
        let (mut at, mut has_joined) = (0, false);
        while at < lines.len() && rows.len() < MOST_ROWS {
            let (row, taken) = row_at(&lines[at..], dialect)?;
            rows.push(row);
            at += taken;
            has_joined |= taken > 1;
        }
        let before = before.and_then(|line| Row::of(line.trim_ascii(), dialect).ok());
        Some(Table { dialect, rows, has_joined, before })
    }

    /// The same where quotes mean nothing.
    pub(super) fn unquoted(lines: &[(u64, &[u8])], before: Option<&[u8]>, dialect: Dialect) -> Table {
        let plain = Dialect { quote: None, ..dialect };
        let rows = lines.iter().take(MOST_ROWS).filter_map(|(_, line)| Row::of(line, plain).ok()).collect();
        Table {
            dialect,
            rows,
            has_joined: false,
            before: before.and_then(|line| Row::of(line.trim_ascii(), plain).ok()),
        }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows but the header.
    pub(super) fn data(&self, header: &Header) -> &[Row] {
        match header {
            Header::Line(_) => self.rows.get(1..).unwrap_or_default(),
            Header::Comment(_) | Header::None => &self.rows,
        }
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

    /// Whether most rows have as many columns as the first one: a wrong one is told when it is read.
    pub(super) fn is_mostly_even(&self) -> bool {
        let even = self.rows.iter().filter(|row| row.len() == self.width()).count();
        even * 3 >= self.rows.len() * 2
    }
}

/// The row that begins with these lines, and how many of them it takes.
fn row_at(lines: &[(u64, &[u8])], dialect: Dialect) -> Option<(Row, usize)> {
    let mut text = Vec::new();
    for (taken, (_, line)) in lines.iter().take(MOST_LINES).enumerate() {
        text.extend_from_slice(line);
        if let Ok(row) = Row::of(&text, dialect) {
            return Some((row, taken + 1));
        }
        text.push(b'\n');
    }
    None
}
