//! Where in a line each field is, by the names in a header or the numbers that the user gives.

use super::super::ReadAs;
use super::super::csv::columns_in_words;
use super::super::fields::{self, shown};
use super::super::options::{Column, ColumnRole, Columns};
use super::super::rows::Row;
use super::table::Table;

/// Where in a line each field is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Layout {
    pub(in super::super) columns: usize,
    pub(in super::super) time: Option<usize>,
    pub(in super::super) key: usize,
    pub(in super::super) size: Option<usize>,
    pub(in super::super) ttl: Option<usize>,
    pub(in super::super) op: Option<usize>,
    pub(in super::super) count: Option<usize>,
}

impl Layout {
    /// The columns as `find` tells them; one is the key's.
    pub(super) fn by(
        columns: usize,
        mut find: impl FnMut(ColumnRole) -> Result<Option<usize>, String>,
    ) -> Result<Option<Layout>, String> {
        let Some(key) = find(ColumnRole::Key)? else { return Ok(None) };
        Ok(Some(Layout {
            columns,
            key,
            time: find(ColumnRole::Time)?,
            size: find(ColumnRole::Size)?,
            ttl: find(ColumnRole::Ttl)?,
            op: find(ColumnRole::Op)?,
            count: find(ColumnRole::Count)?,
        }))
    }

    pub(super) fn at(&self, role: ColumnRole) -> Option<usize> {
        match role {
            ColumnRole::Time => self.time,
            ColumnRole::Key => Some(self.key),
            ColumnRole::Size => self.size,
            ColumnRole::Ttl => self.ttl,
            ColumnRole::Op => self.op,
            ColumnRole::Count => self.count,
        }
    }

    /// Drops a column of operations that was not asked for and holds none; answers that.
    pub(super) fn settle_op(&mut self, rows: &[Row], columns: &Columns) -> Option<String> {
        let op = self.op.filter(|_| columns.of(ColumnRole::Op).is_none())?;
        let first = rows.first()?;
        if rows.iter().any(|row| fields::op(row.field(op)).is_some()) {
            return None;
        }
        self.op = None;
        Some(format!(
            "column {} holds no operation that is known, as {}, so every line is taken for a get",
            op + 1,
            shown(first.field(op))
        ))
    }
}

/// Where the names of the columns are.
#[derive(Debug)]
pub(super) enum Header {
    /// Nowhere.
    None,
    /// In the first row.
    Line(Row),
    /// In the comment before it.
    Comment(Row),
}

impl Header {
    pub(super) fn row(&self) -> Option<&Row> {
        match self {
            Header::None => None,
            Header::Line(row) | Header::Comment(row) => Some(row),
        }
    }
}

/// Columns that were found.
#[derive(Debug)]
pub(super) struct FoundLayout {
    pub(super) layout: Layout,
    pub(super) header: Header,
    pub(super) doubts: Vec<String>,
}

/// The columns by a header that names the key, or all that the user named.
pub(super) fn by_header(table: &Table, read_as: &ReadAs) -> Option<FoundLayout> {
    if read_as.has_header == Some(false) || table.width() < 2 && read_as.columns.names().next().is_none() {
        return None;
    }
    let in_line = Header::Line(table.first().clone());
    let fits = table.before.as_ref().filter(|before| before.len() == table.width());
    let in_comment = fits.map(|before| Header::Comment(before.clone()));
    [Some(in_line), in_comment].into_iter().flatten().find_map(|header| {
        let names = header.row()?;
        let asked: Vec<&str> = read_as.columns.names().filter(|name| number(name).is_none()).collect();
        let all_named = asked.iter().all(|name| position(names, name).is_some());
        let names_it = names_key(names) || !asked.is_empty();
        if !names_it || !all_named || names.iter().any(fields::is_number) {
            return None;
        }
        let layout = named(names, &read_as.columns).ok()??;
        let is_one = read_as.says_csv() || is_evident(table, &layout, &header);
        is_one.then(|| FoundLayout { layout, header, doubts: Vec::new() })
    })
}

/// Whether a row that has a usual name of keys is a header and not a request, of which nothing was said. Two names that
/// are known make one where each line has commas; words between spaces are more likely to be a key with such a word.
fn is_evident(table: &Table, layout: &Layout, header: &Header) -> bool {
    let has_two = ColumnRole::ALL.into_iter().filter(|role| layout.at(*role).is_some()).count() > 1;
    let has_numbers = || matches!(header, Header::Line(_)) && looks_like_header(table);
    if table.dialect.delimiter.is_rare_in_keys() {
        has_two || table.is_mostly_even()
    } else {
        table.is_mostly_even() && (has_two || has_numbers())
    }
}

/// The columns of a text that the user says is CSV.
///
/// # Errors
///
/// A column that was named is not there, or nothing tells which column is the key.
pub(super) fn demanded(table: &Table, read_as: &ReadAs) -> Result<FoundLayout, String> {
    let columns = &read_as.columns;
    let by_name = columns.names().any(|name| number(name).is_none());
    let has_header = read_as.has_header.unwrap_or(by_name || looks_like_header(table));
    if has_header {
        let names = table.first();
        let layout = named(names, columns)?.ok_or_else(|| {
            let maybe = |name: &&[u8]| ColumnRole::MAYBE_KEYS.contains(&&*plain(name));
            let offered =
                names.iter().find(maybe).map_or_else(String::new, |name| format!(" {}", shown(name)));
            format!("no column is named like a key; {}: name it with --key-column{offered}", listed(names))
        })?;
        return Ok(FoundLayout { layout, header: Header::Line(names.clone()), doubts: Vec::new() });
    }
    let width = table.width();
    let doubts = match read_as.has_header {
        Some(_) => Vec::new(),
        None => vec![
            "the first line is taken for a request and not for a header; --header says it is one, \
                      --no-header that it is none"
                .to_owned(),
        ],
    };
    if width == 1 && columns.of(ColumnRole::Key).is_none() {
        let layout = Layout { columns: 1, ..Layout::default() };
        return Ok(FoundLayout { layout, header: Header::None, doubts });
    }
    let find = |role: ColumnRole| match columns.of(role) {
        None | Some(Column::None) => Ok(None),
        Some(Column::Named(name)) => numbered(name, width).map(Some),
    };
    let layout = Layout::by(width, find)?.ok_or_else(|| {
        format!(
            "has {} and no header; say which one is the key by its number, --key-column N",
            columns_in_words(width)
        )
    })?;
    Ok(FoundLayout { layout, header: Header::None, doubts })
}

/// The columns by these names; `None` if the key's is not among them.
fn named(names: &Row, columns: &Columns) -> Result<Option<Layout>, String> {
    Layout::by(names.len(), |role| match columns.of(role) {
        None => Ok(usual_position(names, role)),
        Some(Column::None) if role == ColumnRole::Key => {
            Err("a trace needs keys; name their column".to_owned())
        }
        Some(Column::None) => Ok(None),
        Some(Column::Named(name)) => match (position(names, name), number(name)) {
            (Some(column), _) => Ok(Some(column)),
            (None, Some(_)) => numbered(name, names.len()).map(Some),
            (None, None) => Err(format!("there is no column {}; {}", shown(name.as_bytes()), listed(names))),
        },
    })
}

/// The column of that number.
fn numbered(name: &str, width: usize) -> Result<usize, String> {
    let column = number(name).filter(|number| (1..=width).contains(number));
    column.map(|number| number - 1).ok_or_else(|| {
        let name = shown(name.as_bytes());
        format!(
            "there is no column {name}; without a name in a header, columns go by number, from 1 to {width}"
        )
    })
}

fn number(name: &str) -> Option<usize> {
    name.trim().parse().ok()
}

/// Whether one of these names is usual for keys.
pub(super) fn names_key(names: &Row) -> bool {
    usual_position(names, ColumnRole::Key).is_some()
}

/// Whether the first row is of words, and all others have a number in the same place, or say that it is not known.
pub(super) fn looks_like_header(table: &Table) -> bool {
    let names = table.first();
    let rows = || table.rows().iter().skip(1).filter(move |row| !row.is_same(names));
    let is_word =
        |name: &[u8]| !plain(name).is_empty() && !fields::is_number(name) && fields::op(name).is_none();
    let is_numeric = |column: usize| {
        let mut fields = rows().map(|row| row.field(column));
        let mut told = rows().map(|row| row.field(column));
        fields.all(|field| fields::is_number(field) || fields::is_untold(field))
            && told.any(fields::is_number)
    };
    names.iter().all(is_word) && (0..names.len()).any(is_numeric)
}

/// The column of that name, in any case and with spaces around it.
fn position(names: &Row, name: &str) -> Option<usize> {
    names.iter().position(|column| column.trim_ascii().eq_ignore_ascii_case(name.trim().as_bytes()))
}

/// The first column with a usual name, in the order of those names.
fn usual_position(names: &Row, role: ColumnRole) -> Option<usize> {
    let plain: Vec<String> = names.iter().map(plain).collect();
    role.usual_names().iter().find_map(|usual| plain.iter().position(|name| name == usual))
}

/// A name's letters and digits alone, in lower case.
pub(super) fn plain(name: &[u8]) -> String {
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    letters.map(|&byte| char::from(byte.to_ascii_lowercase())).collect()
}

fn listed(names: &Row) -> String {
    let names: Vec<String> = names.iter().map(shown).collect();
    format!("the header names {}", names.join(", "))
}
