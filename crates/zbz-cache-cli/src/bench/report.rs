//! The figures: what was claimed and what was measured, the grid, and the layers.

use std::fs;
use std::io::Write;
use std::thread;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::expiry::Expiry;
use super::grid::{Cell, VERBS, Verb};
use super::layers::{self, Layer};
use super::overhead::{Load, Overhead};
use super::plan::Plan;
use super::work::{BATCH, KEY_BYTES, VALUE_BYTES};
use crate::failure::Failure;
use crate::figures;
use crate::page;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of this command.
    pub(super) version: &'static str,
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) overhead: Vec<Overhead>,
    pub(super) expiry: Expiry,
    pub(super) layers: Vec<Layer>,
    pub(super) grid: Vec<Cell>,
}

/// What it was measured on.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    processors: usize,
    model: Option<String>,
    system: &'static str,
}

impl Machine {
    pub(super) fn this() -> Machine {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Machine {
            processors: thread::available_parallelism().map_or(1, usize::from),
            model: model.map(|(_, name)| name.to_owned()),
            system: std::env::consts::OS,
        }
    }
}

/// A claim of the first design and what came of it.
struct Headline {
    what: &'static str,
    claim: f64,
    measured: f64,
    /// How both are written.
    shown: fn(f64) -> String,
    /// Whether more is better, as for rates.
    better: Better,
    /// On what it was measured.
    working_set: String,
}

#[derive(PartialEq)]
enum Better {
    More,
    Less,
}

impl Report {
    /// Prints all tables.
    ///
    /// # Errors
    ///
    /// The output takes no more.
    pub(super) fn print(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let Machine { processors, model, system } = &self.machine;
        let model = model.as_deref().unwrap_or("processor of unknown model");
        page::heading(out, "Claims of the first design, and this machine")?;
        writeln!(out, "{processors} processors, {model}, {system}; zbz-cache {}\n", self.version)?;
        writeln!(out, "{}", self.headline_table())?;
        page::heading(out, "Bytes of overhead for each key")?;
        writeln!(
            out,
            "A full cache, after four times what it holds was stored. Third miss: keys whose get looks into two lines of the\nindex, so that a cold one misses three times.\n"
        )?;
        writeln!(out, "{}", self.overhead_table())?;
        page::heading(out, "Millions of operations a second by number of keys and threads")?;
        writeln!(
            out,
            "Engine, keys of {KEY_BYTES} bytes, values of {VALUE_BYTES}, uniform. \"set, full\" evicts: half of the keys have room.\n"
        )?;
        writeln!(out, "{}", self.grid_table())?;
        page::heading(out, "The price of each layer, in ns")?;
        let keys = figures::count(layers::KEYS);
        writeln!(
            out,
            "{keys} keys, 1 thread. \"more\" is against the engine; typed values encode to about {VALUE_BYTES} bytes.\n"
        )?;
        writeln!(out, "{}", self.layer_table())?;
        let Plan { rounds, round_ms, .. } = self.plan;
        writeln!(out, "\nMedians of {rounds} rounds of {round_ms} ms. Every answer was checked.")?;
        Ok(())
    }

    fn headline_table(&self) -> Table {
        let mut table = table(&["", "claim", "measured", "reached", "working set and kind"], 1..4);
        for headline in self.headlines() {
            let reached = match headline.better {
                Better::More => headline.measured >= headline.claim,
                Better::Less => headline.measured <= headline.claim,
            };
            table.add_row([
                headline.what.to_owned(),
                (headline.shown)(headline.claim),
                (headline.shown)(headline.measured),
                if reached { "yes" } else { "no" }.to_owned(),
                headline.working_set,
            ]);
        }
        table
    }

    fn headlines(&self) -> Vec<Headline> {
        let rate = |what, claim, verb, kind: &str| {
            let cell = self.headline_cell(verb);
            let (keys, threads) = (figures::count(cell.keys), cell.threads);
            Headline {
                what,
                claim,
                measured: cell.per_second,
                shown: figures::rate,
                better: Better::More,
                working_set: format!("{kind}, {keys} keys, {}", figures::threads(threads)),
            }
        };
        let forever = self.overhead.iter().find(|measured| measured.load == Load::Forever);
        let overhead = |of: &Overhead, measured, how: &str| Headline {
            what: "bytes of overhead per key",
            claim: 56.0,
            measured,
            shown: |bytes| format!("{bytes:.1}"),
            better: Better::Less,
            working_set: format!(
                "{how}: full at {}, {} keys of {} bytes",
                figures::short_bytes(of.max_size),
                figures::count(of.keys),
                of.payload_bytes_per_key
            ),
        };
        let batches = format!("batches of {BATCH}");
        let mut headlines = vec![
            rate("sets a second", 10e6, Verb::Set, "single, with room"),
            rate("sets a second", 10e6, Verb::SetFull, "single, evicting"),
            rate("gets a second", 50e6, Verb::Get, "single"),
            rate("gets a second", 50e6, Verb::GetBatch, &batches),
        ];
        if let Some(of) = forever {
            headlines.push(overhead(of, of.accounted_per_key, "accounted"));
            headlines.extend(of.resident_per_key.map(|measured| overhead(of, measured, "resident")));
        }
        headlines.push(Headline {
            what: "ms per 10,000 expired keys",
            claim: 1.0,
            measured: self.expiry.milliseconds,
            shown: |ms| format!("{ms:.2}"),
            better: Better::Less,
            working_set: format!("one sweep among {} live keys", figures::count(self.expiry.live_keys)),
        });
        headlines
    }

    /// The figure nearest to 100,000 keys, with the most threads.
    fn headline_cell(&self, verb: Verb) -> Cell {
        const KEYS: u64 = 100_000;

        let cells = self.grid.iter().filter(|cell| cell.verb == verb);
        let nearest = cells.min_by_key(|cell| (cell.keys.abs_diff(KEYS), u16::MAX - cell.threads));
        nearest.cloned().unwrap_or(Cell { keys: 0, threads: 0, verb, per_second: f64::NAN })
    }

    fn overhead_table(&self) -> Table {
        let mut table = table(&["entries", "keys", "accounted", "resident", "third miss"], 1..5);
        for measured in &self.overhead {
            table.add_row([
                measured.load.words().to_owned(),
                figures::count(measured.keys),
                format!("{:.1}", measured.accounted_per_key),
                measured.resident_per_key.map_or("-".to_owned(), |bytes| format!("{bytes:.1}")),
                format!("{:.1} %", measured.third_miss_percent),
            ]);
        }
        table
    }

    fn grid_table(&self) -> Table {
        let batch = format!("get, batches of {BATCH}");
        let mut table = table(&["keys", "threads", "get", &batch, "set", "set, full"], 0..6);
        for &keys in &self.plan.keys {
            for &threads in &self.plan.threads {
                let is = |cell: &&Cell, verb| (cell.keys, cell.threads, cell.verb) == (keys, threads, verb);
                let figure = |verb| {
                    self.grid.iter().find(|cell| is(cell, verb)).map_or(f64::NAN, |cell| cell.per_second)
                };
                let head = [figures::count(keys), threads.to_string()];
                table.add_row(head.into_iter().chain(VERBS.map(|verb| format!("{:.1}", figure(verb) / 1e6))));
            }
        }
        table
    }

    fn layer_table(&self) -> Table {
        let mut table = table(&["layer", "get", "more", "set", "more"], 1..5);
        let engine = self.layers.first();
        for layer in &self.layers {
            let more = |figure: f64, engine: Option<f64>| {
                engine.map_or(String::new(), |engine| format!("{:+.0}", figure - engine))
            };
            table.add_row([
                layer.name.to_owned(),
                format!("{:.0}", layer.get_ns),
                more(layer.get_ns, engine.map(|engine| engine.get_ns)),
                format!("{:.0}", layer.set_ns),
                more(layer.set_ns, engine.map(|engine| engine.set_ns)),
            ]);
        }
        table
    }
}

/// An empty table; the columns of `figures` are flush right.
fn table(header: &[&str], figures: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header);
    for column in table.column_iter_mut().skip(figures.start).take(figures.len()) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
