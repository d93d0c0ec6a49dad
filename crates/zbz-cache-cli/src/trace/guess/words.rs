//! The words for a guess.

use super::super::fields;
use super::super::options::ColumnRole;
use super::layout::{Header, Layout, plain};
use super::table::Table;
use super::units::Units;

/// The guesses about a CSV trace, in one line.
pub(super) fn of_csv(table: &Table, layout: &Layout, header: &Header, units: Units) -> String {
    let mut used: Vec<(usize, ColumnRole)> =
        ColumnRole::ALL.into_iter().filter_map(|role| Some((layout.at(role)?, role))).collect();
    used.sort_by_key(|(column, _)| *column);
    let separated = match layout.columns {
        1 => String::new(),
        _ => format!(", separated by {}", table.dialect.delimiter.words()),
    };
    let noun = if used.len() == 1 { "column" } else { "columns" };
    let names: Vec<String> = used.iter().map(|&(column, role)| name(header, column, role)).collect();
    let mut words = format!("CSV{separated}, {noun} {}", names.join(" "));
    match header {
        Header::None => {
            let numbers: Vec<String> = used.iter().map(|(column, _)| (column + 1).to_string()).collect();
            words += &format!(" (number {} of {}), no header", numbers.join(" "), layout.columns);
        }
        Header::Comment(_) => words += ", header in a comment",
        Header::Line(_) => {}
    }
    let (time, ttl) = (units.time.words(), units.ttl.words());
    words += &match (layout.time, layout.ttl) {
        (Some(_), Some(_)) if time == ttl => format!(", times and TTLs in {time}"),
        (Some(_), Some(_)) => format!(", times in {time}, TTLs in {ttl}"),
        (Some(_), None) => format!(", times in {time}"),
        // Without times no TTL runs out, whatever its unit.
        (None, _) => String::new(),
    };
    words
}

/// The name of a column, and what it is for where that is another word.
fn name(header: &Header, column: usize, role: ColumnRole) -> String {
    let named = header.row().map(|names| names.field(column).trim_ascii());
    match named {
        Some(named) if plain(named) != role.name() => {
            let shown = fields::shown(named);
            format!("{} ({})", shown.trim_matches('"'), role.name())
        }
        _ => role.name().to_owned(),
    }
}
