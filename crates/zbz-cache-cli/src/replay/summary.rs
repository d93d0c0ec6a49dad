//! [`Summary`]: how far policies are from what the future known would give, over all traces.
//!
//! A *cell* is one trace at one size. Cells of fewer than [`LEAST_KEYS`] keys are left out: there a few keys decide.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::args::Through;
use super::result::{Capacity, TraceReport};
use crate::failure::Failure;
use crate::page;
use crate::policy::Belady;

/// The smallest cell that counts.
const LEAST_KEYS: u64 = 200;

/// How the policies stand.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    least_keys: u64,
    policies: Vec<Standing>,
}

/// How one policy stands.
#[derive(Debug, PartialEq, Serialize)]
struct Standing {
    policy: String,
    cells: usize,
    /// By how much belady's hit ratio is higher, in the mean.
    mean_distance_points: Option<f64>,
    /// The cell that is worst for it, if there are others to compare it with.
    furthest_behind: Option<Behind>,
}

/// How far the best of the other policies is ahead in a cell.
#[derive(Debug, PartialEq, Serialize)]
struct Behind {
    points: f64,
    trace: String,
    size: String,
}

/// One trace at one size, with hit ratios in percent.
struct Cell<'a> {
    trace: &'a TraceReport,
    size: &'a str,
    belady: f64,
    others: Vec<(&'a str, f64)>,
}

impl Summary {
    /// What the replays come to, if belady was among others.
    pub(super) fn of(traces: &[TraceReport]) -> Option<Summary> {
        let rows = || traces.iter().flat_map(|trace| &trace.rows);
        let mut names: Vec<&str> = Vec::new();
        for row in rows().filter(|row| is_rival(&row.through)) {
            if !names.contains(&row.through.as_str()) {
                names.push(&row.through);
            }
        }
        if names.is_empty() || !rows().any(|row| row.through == Belady::NAME) {
            return None;
        }
        let cells: Vec<Cell<'_>> = traces.iter().flat_map(Cell::all_of).collect();
        let policies = names.into_iter().map(|name| Standing::of(name, &cells)).collect();
        Some(Summary { least_keys: LEAST_KEYS, policies })
    }

    /// Prints a line for every policy.
    pub(super) fn print(&self, out: &mut dyn Write) -> Result<(), Failure> {
        page::heading(out, "How far from belady, over all traces")?;
        if self.policies.iter().all(|standing| standing.cells == 0) {
            writeln!(out, "No trace was replayed at a size of {LEAST_KEYS} keys or more.")?;
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["policy", "mean distance", "cells", "furthest behind the best other", "where"]);
        for column in table.column_iter_mut().skip(1).take(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for standing in &self.policies {
            table.add_row(standing.words());
        }
        writeln!(out, "\n{table}")?;
        writeln!(
            out,
            "In points of hit ratio by objects; a cell is a trace at a size of {LEAST_KEYS} keys or more."
        )?;
        let mut worst = self.policies.iter().filter_map(|standing| standing.furthest_behind.as_ref());
        if worst.any(|behind| behind.points < 0.0) {
            writeln!(out, "Who is behind by less than nothing is ahead of all others in every cell.")?;
        }
        Ok(())
    }
}

impl Standing {
    fn of(name: &str, cells: &[Cell<'_>]) -> Standing {
        let of_it: Vec<(&Cell<'_>, f64)> =
            cells.iter().filter_map(|cell| Some((cell, cell.ratio(name)?))).collect();
        let distances = of_it.iter().map(|(cell, ratio)| cell.belady - ratio);
        let mean = (!of_it.is_empty()).then(|| distances.sum::<f64>() / of_it.len() as f64);
        let behind = of_it.iter().filter_map(|(cell, ratio)| {
            let points = cell.best_but(name)? - ratio;
            Some(Behind { points, trace: cell.trace.name().to_owned(), size: cell.size.to_owned() })
        });
        Standing {
            policy: name.to_owned(),
            cells: of_it.len(),
            mean_distance_points: mean,
            furthest_behind: behind.max_by(|one, other| one.points.total_cmp(&other.points)),
        }
    }

    fn words(&self) -> [String; 5] {
        let points = |points: Option<f64>| points.map_or("-".to_owned(), |points| format!("{points:.2}"));
        let behind = self.furthest_behind.as_ref();
        [
            self.policy.clone(),
            points(self.mean_distance_points),
            self.cells.to_string(),
            points(behind.map(|behind| behind.points)),
            behind.map_or("-".to_owned(), |behind| format!("{} {}", behind.trace, behind.size)),
        ]
    }
}

impl<'a> Cell<'a> {
    /// The cells of a trace.
    fn all_of(trace: &'a TraceReport) -> Vec<Cell<'a>> {
        let percent = |row: &super::Row| Some(100.0 * row.outcome.as_ref().ok()?.hit_ratio?);
        let large = |capacity| matches!(capacity, Capacity::Keys(keys) if keys >= LEAST_KEYS);
        let mut cells: Vec<Cell<'a>> = Vec::new();
        for row in trace.rows.iter().filter(|row| row.through == Belady::NAME && large(row.capacity)) {
            let Some(belady) = percent(row) else { continue };
            let rivals = trace.rows.iter().filter(|rival| is_rival(&rival.through) && rival.size == row.size);
            let others = rivals.filter_map(|rival| Some((rival.through.as_str(), percent(rival)?))).collect();
            cells.push(Cell { trace, size: &row.size, belady, others });
        }
        cells
    }

    fn ratio(&self, policy: &str) -> Option<f64> {
        self.others.iter().find(|(name, _)| *name == policy).map(|(_, ratio)| *ratio)
    }

    /// The best hit ratio of the policies that are neither this one nor belady.
    fn best_but(&self, policy: &str) -> Option<f64> {
        let ratios = self.others.iter().filter(|(name, _)| *name != policy).map(|(_, ratio)| *ratio);
        ratios.max_by(f64::total_cmp)
    }
}

/// Whether it is a policy that does not know the future. The cache itself is none: its sizes are of bytes.
fn is_rival(through: &str) -> bool {
    through != Belady::NAME && through != Through::ENGINE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::drive::Totals;
    use crate::replay::result::{Measured, Row};

    /// A trace replayed through (policy, size, keys, hit ratio).
    fn trace(name: &str, rows: &[(&str, &str, u64, f64)]) -> TraceReport {
        let row = |&(through, size, keys, hit_ratio): &(&str, &str, u64, f64)| Row {
            through: through.into(),
            size: size.into(),
            capacity: if through == Through::ENGINE { Capacity::Bytes(keys) } else { Capacity::Keys(keys) },
            outcome: Ok(Measured {
                hit_ratio: Some(hit_ratio),
                byte_hit_ratio: None,
                requests_per_second: 1.0,
                totals: Totals::default(),
            }),
        };
        TraceReport {
            file: format!("folder/{name}.csv"),
            format: "csv".into(),
            requests: 1,
            gets: 1,
            deletes: 0,
            distinct_keys: 1,
            distinct_bytes: 1,
            knows_sizes: false,
            span_ms: 0,
            rows: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn distances_are_means_over_cells_that_are_large_enough() {
        let one = [
            ("lru", "1%", 199, 0.0),
            ("lru", "10%", 2000, 0.5),
            ("tide", "1%", 199, 0.9),
            ("tide", "10%", 2000, 0.75),
            ("engine", "10%", 1 << 20, 0.99),
            ("belady", "1%", 199, 1.0),
            ("belady", "10%", 2000, 0.875),
        ];
        let other =
            [("lru", "200keys", 200, 0.5), ("tide", "200keys", 200, 0.25), ("belady", "200keys", 200, 0.625)];
        let summary = Summary::of(&[trace("one", &one), trace("other", &other)]).unwrap();
        let standing = |policy: &str, (trace, size): (&str, &str)| Standing {
            policy: policy.into(),
            cells: 2,
            mean_distance_points: Some(25.0),
            furthest_behind: Some(Behind { points: 25.0, trace: trace.into(), size: size.into() }),
        };
        let expected = [standing("lru", ("one", "10%")), standing("tide", ("other", "200keys"))];
        assert_eq!(summary.policies, expected);
    }

    #[test]
    fn there_is_no_summary_without_belady_or_without_others() {
        let (lru, belady) = (("lru", "1%", 500, 0.5), ("belady", "1%", 500, 0.625));
        assert!(Summary::of(&[trace("t", &[lru])]).is_none());
        assert!(Summary::of(&[trace("t", &[belady])]).is_none());
        let both = Summary::of(&[trace("t", &[lru, belady])]).unwrap();
        let standing = &both.policies[0];
        assert_eq!((standing.mean_distance_points, &standing.furthest_behind), (Some(12.5), &None));
    }
}
