//! Columns without names, told by what is in them.

use super::super::fields;
use super::super::options::{Column, ColumnRole};
use super::super::rows::Row;
use super::super::{MAX_KEY_BYTES, ReadAs, csv};
use super::layout::{FoundLayout, Header, Layout};
use super::table::Table;

/// Files without a header that are known by their columns: whose they are, and what the columns hold. `number`, `text`
/// and `keysize` are of no use here.
const KNOWN: [(&str, &str); 6] = [
    ("MSR Cambridge's block traces", "time text number op key size number"),
    ("CacheLib's traces", "key op size count keysize"),
    ("CacheLib's traces", "key op size count keysize ttl"),
    ("Alibaba's block traces", "number op key size time"),
    ("CacheLib's traces", "time key keysize op count size number ttl"),
    ("CacheLib's traces", "time key keysize op count size number ttl number number"),
];

/// The contents of the columns of a table without a header, if they can be recognized.
pub(super) fn of_columns(table: &Table, read_as: &ReadAs) -> Option<FoundLayout> {
    if !table.is_mostly_even() {
        return None;
    }
    let unused = |role: &ColumnRole| read_as.columns.of(*role) == Some(&Column::None);
    let found = |roles: &[Option<ColumnRole>], doubt: String| {
        let at = |role| roles.iter().position(|of| *of == Some(role) && !unused(&role));
        let layout = Layout::by(table.width(), |role| Ok(at(role))).ok()??;
        Some(FoundLayout { layout, header: Header::None, doubts: vec![doubt] })
    };
    let rows: Vec<&Row> = table.rows().iter().filter(|row| row.len() == table.width()).collect();
    let known = KNOWN.iter().find(|(_, columns)| {
        let kinds: Vec<&str> = columns.split(' ').collect();
        kinds.len() == table.width() && rows.iter().all(|row| kinds.iter().zip(row.iter()).all(fits))
    });
    if let Some((whose, columns)) = known {
        let role = |kind| ColumnRole::ALL.into_iter().find(|role| role.name() == kind);
        let roles: Vec<Option<ColumnRole>> = columns.split(' ').map(role).collect();
        let doubt = format!("there is no header; the columns are taken for those of {whose}");
        let mut found = found(&roles, doubt)?;
        found.doubts.extend(owner_of_keys(&rows, &found.layout));
        return Some(found);
    }
    let doubt = "there is no header, so what each column holds is a guess; say it by number, as in --key-column 2, \
                 or --format lines if each line is a key";
    found(&roles(&rows, table.width())?, doubt.to_owned())
}

/// A column ahead of the key that is not read and varies: in the traces that are known it is the device or the host
/// whose keys these are.
fn owner_of_keys(rows: &[&Row], layout: &Layout) -> Option<String> {
    let first = rows.first()?;
    let is_used = |at: usize| ColumnRole::ALL.into_iter().any(|role| layout.at(role) == Some(at));
    let varies = |at: usize| rows.iter().any(|row| row.field(at) != first.field(at));
    let at = (0..layout.key).find(|&at| !is_used(at) && varies(at))?;
    Some(format!(
        "column {} varies and is no part of the key; if each of its values has keys of its own, as devices have, \
         split the file by it",
        at + 1
    ))
}

/// Whether a field may be of a kind in [`KNOWN`].
fn fits((kind, field): (&&str, &[u8])) -> bool {
    match *kind {
        "text" | "key" => !field.is_empty(),
        "keysize" => fields::whole(field).is_some_and(|bytes| (1..=MAX_KEY_BYTES as u64).contains(&bytes)),
        // A time, or a size, would make of each line as many requests.
        "count" => fields::size(field).is_some_and(|count| count <= csv::MAX_COUNT),
        "op" => fields::op(field).is_some(),
        "size" | "ttl" => fields::is_number(field) || fields::is_untold(field),
        _ => fields::is_number(field),
    }
}

/// Roles of columns that are known to no one: an operation is known by its names, a time by its never going back, and of
/// what is left the first is the key and a number after it the size. Of more columns than that nothing is guessed.
fn roles(rows: &[&Row], width: usize) -> Option<Vec<Option<ColumnRole>>> {
    let column = |at: usize| rows.iter().map(move |row| row.field(at));
    let mut roles = vec![None; width];
    let op = (0..width).find(|&at| column(at).all(|field| fields::op(field).is_some()));
    let is_left = |at: usize, roles: &[Option<ColumnRole>]| roles[at].is_none();
    if let Some(op) = op {
        roles[op] = Some(ColumnRole::Op);
    }
    let left: Vec<usize> = (0..width).filter(|&at| is_left(at, &roles)).collect();
    let time = left.iter().copied().find(|&at| never_goes_back(column(at))).filter(|_| left.len() > 1);
    if let Some(time) = time {
        roles[time] = Some(ColumnRole::Time);
    }
    let mut left = left.into_iter().filter(|&at| Some(at) != time);
    let (key, size) = (left.next()?, left.next());
    roles[key] = Some(ColumnRole::Key);
    if let Some(size) = size {
        if !column(size).all(|field| fields::is_number(field) || fields::is_untold(field)) {
            return None;
        }
        roles[size] = Some(ColumnRole::Size);
    }
    (left.next().is_none() && width > 1).then_some(roles)
}

/// Whether these are numbers that never fall, and rise at least once unless there is one alone.
fn never_goes_back<'a>(column: impl Iterator<Item = &'a [u8]>) -> bool {
    let numbers: Option<Vec<f64>> = column.map(fields::magnitude).collect();
    numbers.is_some_and(|numbers| {
        let rises = numbers.windows(2).any(|pair| pair[0] < pair[1]);
        numbers.is_sorted() && (rises || numbers.len() == 1)
    })
}
