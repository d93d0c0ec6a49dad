//! [`Summary`]: how policies compare over all traces.
//!
//! A *cell* is one trace at one size. Cells of fewer than [`LEAST_KEYS`] keys are left out: there a few keys decide.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use zbz_cache_cli::failure::Failure;
use zbz_cache_cli::page;
use zbz_cache_cli::replay::engine::Engine;
use zbz_cache_cli::replay::result::{Row, TraceReport};
use zbz_cache_cli::replay::size::Capacity;

use super::yardstick::Yardstick;
use crate::policy::Belady;

/// The smallest cell that counts.
const LEAST_KEYS: u64 = 200;

/// How the policies stand.
#[derive(Debug, Serialize)]
pub struct Summary {
    least_keys: u64,
    /// Whether policies are compared with those of a yardstick, not with each other.
    by_yardstick: bool,
    policies: Vec<Standing>,
}

/// How one policy stands, in the mean over its cells.
#[derive(Debug, PartialEq, Serialize)]
struct Standing {
    policy: String,
    cells: usize,
    hit_percent: Option<f64>,
    byte_hit_percent: Option<f64>,
    /// By how much belady's hit ratio is higher.
    mean_distance_points: Option<f64>,
    /// By how much its own is higher than that of the best of the others.
    mean_ahead_points: Option<f64>,
    /// The cell that is worst for it, if there are others to compare it with.
    furthest_behind: Option<Behind>,
}

/// How far the best of the others is ahead in a cell.
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
    belady: Option<f64>,
    /// By objects, and by bytes where sizes are known.
    policies: Vec<(&'a str, f64, Option<f64>)>,
    /// Those of the yardstick.
    known: Vec<(&'a str, f64)>,
}

impl Summary {
    /// What the replays come to, if there are policies to compare.
    pub fn of(traces: &[TraceReport], yardstick: &Yardstick) -> Option<Summary> {
        let cells: Vec<Cell<'_>> = traces.iter().flat_map(|trace| Cell::all_of(trace, yardstick)).collect();
        let mut names: Vec<&str> = Vec::new();
        let rows = || traces.iter().flat_map(|trace| &trace.rows);
        let simulated = rows().map(|row| row.through.as_str()).filter(|through| is_rival(through));
        let known = cells.iter().flat_map(|cell| &cell.known).map(|(name, _)| *name);
        let by_yardstick = known.clone().next().is_some();
        for name in simulated.chain(known) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let belady = rows().any(|row| row.through == Belady::NAME);
        if names.is_empty() || !(belady || by_yardstick || names.len() > 1 && traces.len() > 1) {
            return None;
        }
        let standing = |name| Standing::of(name, &cells, by_yardstick);
        let policies = names.into_iter().map(standing).collect();
        Some(Summary { least_keys: LEAST_KEYS, by_yardstick, policies })
    }

    /// Prints a line for every policy.
    pub fn print(&self, out: &mut dyn Write) -> Result<(), Failure> {
        page::heading(out, "The policies over all traces")?;
        if self.policies.iter().all(|standing| standing.cells == 0) {
            writeln!(out, "No trace was replayed at a size of {LEAST_KEYS} keys or more.")?;
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let (ahead, behind) = match self.by_yardstick {
            true => ("to the yardstick's best", "furthest behind it"),
            false => ("to the best other", "furthest behind the best other"),
        };
        table.set_header([
            "policy",
            "cells",
            "hit ratio",
            "by bytes",
            "mean distance",
            ahead,
            behind,
            "where",
        ]);
        for column in table.column_iter_mut().skip(1).take(6) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for standing in &self.policies {
            table.add_row(standing.words());
        }
        writeln!(out, "\n{table}")?;
        writeln!(
            out,
            "Means over cells, in points of hit ratio by objects unless by bytes is said; the distance is that to\n\
             belady. A cell is a trace at a size of {LEAST_KEYS} keys or more, or at one in bytes."
        )?;
        let mut worst = self.policies.iter().filter_map(|standing| standing.furthest_behind.as_ref());
        if worst.any(|behind| behind.points < 0.0) {
            writeln!(out, "Who is behind by less than nothing is ahead of all others in every cell.")?;
        }
        Ok(())
    }
}

impl Standing {
    fn of(name: &str, cells: &[Cell<'_>], by_yardstick: bool) -> Standing {
        let of_it: Vec<_> = cells.iter().filter_map(|cell| Some((cell, cell.ratios(name)?))).collect();
        let behind: Vec<_> = of_it
            .iter()
            .filter_map(|(cell, (ratio, _))| {
                let best = if by_yardstick { cell.best_known() } else { cell.best_but(name) };
                let points = best? - ratio;
                Some(Behind { points, trace: cell.trace.name().to_owned(), size: cell.size.to_owned() })
            })
            .collect();
        Standing {
            policy: name.to_owned(),
            cells: of_it.len(),
            hit_percent: mean(of_it.iter().map(|(_, (ratio, _))| *ratio)),
            byte_hit_percent: mean(of_it.iter().filter_map(|(_, (_, by_bytes))| *by_bytes)),
            mean_distance_points: mean(
                of_it.iter().filter_map(|(cell, (ratio, _))| Some(cell.belady? - ratio)),
            ),
            mean_ahead_points: mean(behind.iter().map(|behind| -behind.points)),
            furthest_behind: behind.into_iter().max_by(|one, other| one.points.total_cmp(&other.points)),
        }
    }

    fn words(&self) -> [String; 8] {
        let points = |points: Option<f64>| points.map_or("-".to_owned(), |points| format!("{points:.2}"));
        let behind = self.furthest_behind.as_ref();
        [
            self.policy.clone(),
            self.cells.to_string(),
            points(self.hit_percent),
            points(self.byte_hit_percent),
            points(self.mean_distance_points),
            self.mean_ahead_points.map_or("-".to_owned(), |points| format!("{points:+.2}")),
            points(behind.map(|behind| behind.points)),
            behind.map_or("-".to_owned(), |behind| format!("{} {}", behind.trace, behind.size)),
        ]
    }
}

impl<'a> Cell<'a> {
    /// The cells of a trace.
    fn all_of(trace: &'a TraceReport, yardstick: &'a Yardstick) -> Vec<Cell<'a>> {
        let mut cells: Vec<Cell<'a>> = Vec::new();
        let large = |row: &&Row| !matches!(row.capacity, Capacity::Keys(keys) if keys < LEAST_KEYS);
        for row in trace.rows.iter().filter(|row| row.through != Engine::NAME).filter(large) {
            if cells.iter().any(|cell| cell.size == row.size) {
                continue;
            }
            let of_size = || trace.rows.iter().filter(|other| other.size == row.size);
            let belady = of_size().find(|row| row.through == Belady::NAME).and_then(percents);
            let policies = of_size().filter(|row| is_rival(&row.through));
            let known = yardstick.known(trace.name(), &row.size);
            cells.push(Cell {
                trace,
                size: &row.size,
                belady: belady.map(|(ratio, _)| ratio).or(known.belady),
                policies: policies
                    .filter_map(|row| {
                        percents(row).map(|(ratio, bytes)| (row.through.as_str(), ratio, bytes))
                    })
                    .collect(),
                known: known.others,
            });
        }
        cells
    }

    /// The hit ratios of a policy by objects and by bytes.
    fn ratios(&self, policy: &str) -> Option<(f64, Option<f64>)> {
        let simulated = self.policies.iter().find(|(name, ..)| *name == policy);
        let known = self.known.iter().find(|(name, _)| *name == policy);
        simulated.map(|&(_, ratio, bytes)| (ratio, bytes)).or(known.map(|&(_, ratio)| (ratio, None)))
    }

    /// The best hit ratio of the yardstick's policies.
    fn best_known(&self) -> Option<f64> {
        self.known.iter().map(|(_, ratio)| *ratio).max_by(f64::total_cmp)
    }

    /// The best hit ratio of the simulated policies but this one.
    fn best_but(&self, policy: &str) -> Option<f64> {
        let others = self.policies.iter().filter(|(name, ..)| *name != policy).map(|(_, ratio, _)| *ratio);
        others.max_by(f64::total_cmp)
    }
}

/// Hits in percent by objects, and by bytes where sizes are known.
fn percents(row: &Row) -> Option<(f64, Option<f64>)> {
    let measured = row.outcome.as_ref().ok()?;
    Some((100.0 * measured.hit_ratio?, measured.byte_hit_ratio.map(|ratio| 100.0 * ratio)))
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = numbers.fold((0u32, 0.0), |(count, sum), number| (count + 1, sum + number));
    (count > 0).then(|| sum / f64::from(count))
}

/// Whether it is a policy that does not know the future. The cache itself is none: its sizes are of all its memory.
fn is_rival(through: &str) -> bool {
    through != Belady::NAME && through != Engine::NAME
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbz_cache_cli::replay::result::Measured;
    use zbz_cache_cli::replay::target::Totals;

    /// A trace replayed through (policy, size, keys, hit ratio).
    fn trace(name: &str, rows: &[(&str, &str, u64, f64)]) -> TraceReport {
        let row = |&(through, size, keys, hit_ratio): &(&str, &str, u64, f64)| Row {
            through: through.into(),
            size: size.into(),
            capacity: if through == Engine::NAME { Capacity::Bytes(keys) } else { Capacity::Keys(keys) },
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
            read_as: None,
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
        let summary =
            Summary::of(&[trace("one", &one), trace("other", &other)], &Yardstick::default()).unwrap();
        let standing = |policy: &str, hit_percent, (trace, size): (&str, &str)| Standing {
            policy: policy.into(),
            cells: 2,
            hit_percent: Some(hit_percent),
            byte_hit_percent: None,
            mean_distance_points: Some(75.0 - hit_percent),
            mean_ahead_points: Some(0.0),
            furthest_behind: Some(Behind { points: 25.0, trace: trace.into(), size: size.into() }),
        };
        let expected = [standing("lru", 50.0, ("one", "10%")), standing("tide", 50.0, ("other", "200keys"))];
        assert_eq!(summary.policies, expected);
    }

    #[test]
    fn there_is_no_summary_of_one_trace_without_belady_or_without_others() {
        let none = &Yardstick::default();
        let (lru, belady) = (("lru", "1%", 500, 0.5), ("belady", "1%", 500, 0.625));
        assert!(Summary::of(&[trace("t", &[lru])], none).is_none());
        assert!(Summary::of(&[trace("t", &[belady])], none).is_none());
        let both = Summary::of(&[trace("t", &[lru, belady])], none).unwrap();
        let standing = &both.policies[0];
        assert_eq!((standing.mean_distance_points, &standing.furthest_behind), (Some(12.5), &None));
    }

    #[test]
    fn with_a_yardstick_all_are_compared_with_its_best() {
        let text = "trace,size,LRU,ARC,Belady\nt,1%,40,60,62.5\n";
        let yardstick = Yardstick::parse(text).unwrap();
        let rows = [("tide", "1%", 500, 0.5), ("s3-fifo", "1%", 500, 0.75)];
        let summary = Summary::of(&[trace("t", &rows)], &yardstick).unwrap();
        let found: Vec<_> = summary
            .policies
            .iter()
            .map(|one| (one.policy.as_str(), one.mean_distance_points, one.mean_ahead_points))
            .collect();
        assert_eq!(
            found,
            [
                ("tide", Some(12.5), Some(-10.0)),
                ("s3-fifo", Some(-12.5), Some(15.0)),
                ("LRU", Some(22.5), Some(-20.0)),
                ("ARC", Some(2.5), Some(0.0)),
            ]
        );
    }
}
