//! The tables of hit ratios.

use crate::contestant::{Card, Kind};
use crate::report::format::{count, table};
use crate::results::{Hits, Results, TraceRow};

/// How far memory may stray from the budget unremarked.
const STRAYED: f64 = 0.05;

/// Hit ratios at equal entries; none when there are none.
pub fn equal_entries(results: &Results, cards: &[&'static Card]) -> Option<String> {
    let rows = &results.equal_entries;
    if rows.is_empty() {
        return None;
    }
    let mut lines =
        body(rows, cards, |row| vec![row.trace.clone(), count(row.requests), row.size.to_string()]);
    lines.push(summary("entries held at the end, % of asked", 3, cards, rows, |hits, row| {
        Some(100.0 * hits.live? as f64 / row.size as f64)
    }));
    let head = head(&["trace", "requests", "entries"], rows, cards);
    Some(format!(
        "## Hit ratio at equal entries\n\n\
         In %, one thread, every miss stores; entries of one size, 1 % and 10 % of the distinct keys where that is at \
         least 200. Bold: the best of its row. Contestants limited in bytes got the bytes at which they hold that many \
         entries. Values have {value} bytes, or more where the entries' payload would stay under 256 KiB.\n\n\
         {table}{remarks}",
        value = results.settings.value_bytes,
        table = table(&head, lines, 1),
        remarks = remarks(rows, cards),
    ))
}

/// Hit ratios at equal resident memory; none when there are none.
pub fn equal_memory(results: &Results, cards: &[&'static Card]) -> Option<String> {
    let rows = &results.equal_memory;
    if rows.is_empty() {
        return None;
    }
    let mut lines = body(rows, cards, |row| {
        vec![row.trace.clone(), count(row.requests), row.copies.to_string(), row.value_bytes.to_string()]
    });
    lines.push(summary("resident memory, % of the budget, mean", 4, cards, rows, |hits, row| {
        Some(100.0 * grown(hits, row)?)
    }));
    let head = head(&["trace", "requests", "copies", "value bytes"], rows, cards);
    Some(format!(
        "## Hit ratio at equal resident memory\n\n\
         In %, {budget} MiB of resident memory, one thread, every miss stores. Each contestant ran in a child process \
         whose growth was measured (anonymous memory, the largest of 16 samples); its own limit was scaled until that \
         matched. Where it strays by more than 5 % the cell says so: (110 %) used a tenth too much. So that the budget \
         is about a tenth of the payload, a trace is laid side by side with itself in copies of disjoint keys, or its \
         values are larger. Bold: the best of its row.\n\n{table}{remarks}",
        remarks = remarks(rows, cards),
        budget = results.settings.budget_bytes >> 20,
        table = table(&head, lines, 1),
    ))
}

/// The share of the budget by which the process grew.
fn grown(hits: &Hits, row: &TraceRow) -> Option<f64> {
    Some(hits.resident_bytes? as f64 / row.size as f64)
}

fn head(first: &[&str], rows: &[TraceRow], cards: &[&'static Card]) -> Vec<String> {
    let mut head: Vec<String> = first.iter().map(ToString::to_string).collect();
    head.extend(players(rows, cards).map(|card| card.name.to_string()));
    head
}

/// One line a trace, then the mean and the lags.
fn body(
    rows: &[TraceRow],
    cards: &[&'static Card],
    first: impl Fn(&TraceRow) -> Vec<String>,
) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    let mut columns = 0;
    for row in rows {
        let mut line = first(row);
        columns = line.len();
        line.extend(players(rows, cards).map(|card| match hits_of(row, card.name) {
            Some(hits) => cell(hits, row),
            None => "-".to_string(),
        }));
        lines.push(line);
    }
    lines.push(summary("**mean**", columns, cards, rows, |hits, _| Some(hits.percent)));
    lines.push(summary("mean lag behind the best of the row", columns, cards, rows, |hits, row| {
        Some(best(row) - hits.percent)
    }));
    if let Some(ours) = cards.iter().find(|card| card.kind == Kind::Ours) {
        let lead = |hits: &Hits, row: &TraceRow| Some(hits_of(row, ours.name)?.percent - hits.percent);
        lines.push(summary("this project's mean lead", columns, cards, rows, lead));
        lines.push(line_of("this project's smallest lead", columns, cards, rows, |card| {
            rows.iter().filter_map(|row| lead(hits_of(row, card.name)?, row)).min_by(f64::total_cmp)
        }));
    }
    lines
}

/// Lines under the table for contestants that refused to store.
fn remarks(rows: &[TraceRow], cards: &[&'static Card]) -> String {
    let refusals = players(rows, cards).filter_map(|card| {
        let refused: u64 =
            rows.iter().filter_map(|row| hits_of(row, card.name)).map(|hits| hits.refused).sum();
        (refused > 0).then(|| format!("\n- {} returned an error for {refused} sets.", card.name))
    });
    let lines: String = refusals.collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// A line of means over the rows, under `columns` leading columns.
fn summary(
    title: &str,
    columns: usize,
    cards: &[&'static Card],
    rows: &[TraceRow],
    figure: impl Fn(&Hits, &TraceRow) -> Option<f64>,
) -> Vec<String> {
    line_of(title, columns, cards, rows, |card| {
        let figures: Vec<f64> = rows.iter().filter_map(|row| figure(hits_of(row, card.name)?, row)).collect();
        (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
    })
}

/// A line of one figure for each contestant, under `columns` leading columns.
fn line_of(
    title: &str,
    columns: usize,
    cards: &[&'static Card],
    rows: &[TraceRow],
    figure: impl Fn(&Card) -> Option<f64>,
) -> Vec<String> {
    let mut line = vec![title.to_string()];
    line.resize(columns, String::new());
    line.extend(players(rows, cards).map(|card| {
        // Rounded first and then added to zero: no zero is shown as negative.
        figure(card)
            .map_or("-".to_string(), |figure| format!("{:.2}", (100.0 * figure).round() / 100.0 + 0.0))
    }));
    line
}

fn players<'rows>(
    rows: &'rows [TraceRow],
    cards: &'rows [&'static Card],
) -> impl Iterator<Item = &'static Card> + use<'rows> {
    cards.iter().copied().filter(|card| rows.iter().any(|row| hits_of(row, card.name).is_some()))
}

fn hits_of<'row>(row: &'row TraceRow, contestant: &str) -> Option<&'row Hits> {
    row.hits.iter().find(|hits| hits.contestant == contestant)
}

fn best(row: &TraceRow) -> f64 {
    row.hits.iter().map(|hits| hits.percent).fold(0.0, f64::max)
}

/// Bold when it is the best as shown; with the memory used where that strays from the budget.
fn cell(hits: &Hits, row: &TraceRow) -> String {
    let text = format!("{:.2}", hits.percent);
    let text = if text == format!("{:.2}", best(row)) { format!("**{text}**") } else { text };
    match grown(hits, row) {
        Some(grown) if (grown - 1.0).abs() > STRAYED => format!("{text} ({:.0} %)", 100.0 * grown),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants;

    fn row(percents: &[(&'static str, f64)]) -> TraceRow {
        let hits = percents.iter().map(|(contestant, percent)| Hits {
            contestant,
            percent: *percent,
            live: Some(90),
            refused: 3,
            resident_bytes: None,
            limit: 100,
        });
        TraceRow {
            trace: "t".into(),
            requests: 5,
            distinct: 5,
            copies: 1,
            value_bytes: 64,
            size: 100,
            hits: hits.collect(),
        }
    }

    fn cards() -> Vec<&'static Card> {
        ["quick_cache", "moka"].iter().filter_map(|name| contestants::find(name)).collect()
    }

    #[test]
    fn the_best_of_a_row_is_bold_and_the_lags_are_means() {
        let rows =
            [row(&[("quick_cache", 40.0), ("moka", 42.5)]), row(&[("quick_cache", 60.0), ("moka", 59.5)])];
        let lines = body(&rows, &cards(), |row| vec![row.trace.clone(), String::new(), String::new()]);
        assert_eq!(lines[0][3..], ["40.00", "**42.50**"]);
        assert_eq!(lines[1][3..], ["**60.00**", "59.50"]);
        assert_eq!(lines[2][3..], ["50.00", "51.00"]);
        assert_eq!(lines[3][3..], ["1.25", "0.25"]);
    }

    #[test]
    fn refused_sets_are_remarked() {
        let rows = [row(&[("moka", 1.0)]), row(&[("moka", 1.0)])];
        assert_eq!(remarks(&rows, &cards()), "\n\n- moka returned an error for 6 sets.");
    }

    #[test]
    fn memory_that_strays_from_the_budget_is_shown() {
        let mut one = row(&[("moka", 42.5)]);
        for (resident_bytes, shown) in
            [(104, "**42.50**"), (110, "**42.50** (110 %)"), (90, "**42.50** (90 %)")]
        {
            one.hits[0].resident_bytes = Some(resident_bytes);
            assert_eq!(cell(&one.hits[0], &one), shown);
        }
    }

    #[test]
    fn a_contestant_that_did_not_play_has_no_column() {
        let rows = [row(&[("moka", 42.5)])];
        assert_eq!(head(&["trace"], &rows, &cards()), ["trace", "moka"]);
    }
}
