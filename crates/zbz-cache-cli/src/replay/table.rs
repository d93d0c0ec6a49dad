//! The results of one trace as a table.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::result::{Measured, Row, TraceReport};
use super::size::Capacity;
use crate::failure::Failure;
use crate::figures;
use crate::page;

/// Prints what the trace is, and a line for every replay.
pub fn print(out: &mut dyn Write, trace: &TraceReport) -> Result<(), Failure> {
    page::heading(out, &trace.file)?;
    if let Some(words) = &trace.read_as {
        writeln!(out, "  read as: {words}")?;
    }
    page::line(out, "requests", &requests(trace))?;
    page::line(out, "keys", &keys(trace))?;
    writeln!(out)?;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(HEADER);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in &trace.rows {
        table.add_row(cells(row));
    }
    writeln!(out, "{table}")?;
    for note in notes(trace) {
        writeln!(out, "{note}")?;
    }
    Ok(())
}

const HEADER: [&str; 9] = [
    "through",
    "size",
    "holds",
    "hit ratio",
    "by bytes",
    "requests/s",
    "evictions",
    "expirations",
    "keys at end",
];

fn requests(trace: &TraceReport) -> String {
    let mut text = figures::count(trace.requests);
    if trace.gets < trace.requests {
        text += &format!(", {} of them gets", figures::count(trace.gets));
    }
    if trace.span_ms > 0 {
        text += &format!(", over {}", figures::span(trace.span_ms));
    }
    text + &format!(" ({})", trace.format)
}

fn keys(trace: &TraceReport) -> String {
    let distinct = figures::count(trace.distinct_keys);
    let bytes = figures::bytes(trace.distinct_bytes);
    let guess = if trace.knows_sizes { "" } else { " (value sizes are not told; see --value-size)" };
    format!("{distinct} distinct, {bytes} with their values{guess}")
}

fn cells(row: &Row) -> [String; 9] {
    let holds = match row.capacity {
        Capacity::Bytes(bytes) => figures::bytes(bytes),
        Capacity::Keys(1) => "1 key".to_owned(),
        Capacity::Keys(keys) => format!("{} keys", figures::count(keys)),
    };
    let head = [row.through.clone(), row.size.clone(), holds];
    let figures = match &row.outcome {
        Ok(measured) => figures_of(measured),
        Err(_) => ["-"; 6].map(str::to_owned),
    };
    let mut cells = head.into_iter().chain(figures);
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

fn figures_of(measured: &Measured) -> [String; 6] {
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{:.2} %", ratio * 100.0));
    let totals = &measured.totals;
    [
        ratio(measured.hit_ratio),
        ratio(measured.byte_hit_ratio),
        figures::rate(measured.requests_per_second),
        figures::count(totals.evictions),
        figures::count(totals.expirations),
        figures::count(totals.keys),
    ]
}

/// What the table cannot say.
fn notes(trace: &TraceReport) -> Vec<String> {
    let mut notes = Vec::new();
    for row in &trace.rows {
        let of = format!("{} {}", row.through, row.size);
        match &row.outcome {
            Err(problem) => notes.push(format!("{of}: {problem}.")),
            Ok(measured) if measured.totals.too_large > 0 => notes.push(format!(
                "{of}: {} for a key or value larger than this size can hold, and missed.",
                match measured.totals.too_large {
                    1 => "1 request was".to_owned(),
                    more => format!("{} requests were", figures::count(more)),
                }
            )),
            Ok(_) => {}
        }
    }
    notes
}
