//! The doubts raised by columns that exist but are not used, or are used but do not exist.

use super::super::ReadAs;
use super::super::fields;
use super::super::options::{Column, ColumnRole};
use super::super::rows::Row;
use super::layout::{Header, Layout, plain};

/// All of it, a sentence each.
pub(super) fn of(rows: &[Row], layout: &Layout, header: &Header, read_as: &ReadAs) -> Vec<String> {
    let unused = Unused { rows, layout, header, read_as };
    let doubts = [unused.count(), unused.op(), unused.other_key(), ttls_without_times(layout, read_as)];
    doubts.into_iter().flatten().chain(units_without_columns(layout, read_as)).collect()
}

/// Columns that are of no use as the text is read.
struct Unused<'a> {
    rows: &'a [Row],
    layout: &'a Layout,
    header: &'a Header,
    read_as: &'a ReadAs,
}

impl Unused<'_> {
    /// Whether nothing was found for a role, and nothing said of it.
    fn lacks(&self, role: ColumnRole) -> bool {
        self.layout.at(role).is_none() && self.read_as.columns.of(role).is_none()
    }

    /// A column that looks as if it told how many requests a line stands for.
    fn count(&self) -> Option<String> {
        const NAMES: [&str; 6] = ["count", "requests", "frequency", "freq", "numrequests", "reqcount"];

        let names = self.header.row().filter(|_| self.lacks(ColumnRole::Count))?;
        let name = names.iter().find(|name| NAMES.contains(&plain(name).as_str()))?;
        let name = fields::shown(name);
        Some(format!(
            "each line is one request; if {name} tells how many it stands for, say --count-column {name}"
        ))
    }

    /// A column in which there are operations and nothing else.
    fn op(&self) -> Option<String> {
        if !self.lacks(ColumnRole::Op) || self.rows.is_empty() {
            return None;
        }
        let is_used = |at: &usize| ColumnRole::ALL.into_iter().any(|role| self.layout.at(role) == Some(*at));
        let holds_ops = |at: &usize| {
            let even = self.rows.iter().filter(|row| row.len() > *at);
            even.clone().next().is_some() && even.clone().all(|row| fields::op(row.field(*at)).is_some())
        };
        let at = (0..self.layout.columns).find(|at| !is_used(at) && holds_ops(at))?;
        let name =
            self.header.row().map_or_else(|| (at + 1).to_string(), |names| fields::shown(names.field(at)));
        Some(format!(
            "every line is taken for a get, though column {} holds operations; --op-column {name} reads them",
            at + 1
        ))
    }

    /// A second column whose name is usual for keys.
    fn other_key(&self) -> Option<String> {
        let names = self.header.row().filter(|_| self.read_as.columns.of(ColumnRole::Key).is_none())?;
        let is_other = |at: &usize| {
            *at != self.layout.key && ColumnRole::Key.usual_names().contains(&&*plain(names.field(*at)))
        };
        let other = fields::shown(names.field((0..names.len()).find(is_other)?));
        let key = fields::shown(names.field(self.layout.key));
        Some(format!(
            "{key} is taken for the key, which {other} may be, too; --key-column {other} takes that"
        ))
    }
}

/// TTLs that cannot run out.
fn ttls_without_times(layout: &Layout, read_as: &ReadAs) -> Option<String> {
    let is_said = read_as.columns.of(ColumnRole::Time) == Some(&Column::None);
    (layout.ttl.is_some() && layout.time.is_none() && !is_said).then(|| {
        "there are TTLs and no times, so that nothing expires; --time-column names a column of times"
            .to_owned()
    })
}

/// Units of columns that are not there.
fn units_without_columns(layout: &Layout, read_as: &ReadAs) -> impl Iterator<Item = String> {
    let of = [
        ("time", read_as.time_unit.is_some() && layout.time.is_none()),
        ("ttl", read_as.ttl_unit.is_some() && layout.ttl.is_none()),
    ];
    of.into_iter().filter(|(_, is_lost)| *is_lost).map(|(name, _)| {
        format!("--{name}-unit is not used, since no column is taken for that; --{name}-column names it")
    })
}
