//! Where this project stands: against the fastest map and the fastest cache, and where a rival is faster.

use crate::contestant::{Card, Kind};
use crate::report::format::{count, table};
use crate::report::heat;
use crate::report::speed_tables::{fastest, heats, rate_of};
use crate::results::{Results, Speed, Work};

/// The opening section of the timed laps.
pub fn section(results: &Results, cards: &[&'static Card]) -> String {
    let all: Vec<&Speed> = results.speed.iter().collect();
    let heats = heats(&all);
    let ours = heats.iter().any(|heat| {
        Work::SPEED.iter().any(|work| fastest(&of(&all, *work), cards, Kind::Ours, *heat).is_some())
    });
    if !ours {
        return "## Standing\n\nThis project did not race in this run.".to_string();
    }
    let mut parts = vec!["## Standing".to_string()];
    for (kind, title) in [
        (
            Kind::Cache,
            "This project's rate over the fastest rival *cache*'s; above 1 this project is faster.",
        ),
        (Kind::Map, "This project's rate over the fastest *map*'s, which keeps no limit and no deadlines."),
    ] {
        let mut head = vec![String::new()];
        head.extend(heats.iter().map(|(keys, threads)| heat(*keys, *threads)));
        let rows = Work::SPEED.iter().filter_map(|work| row(&of(&all, *work), cards, (*work, kind), &heats));
        let rows: Vec<Vec<String>> = rows.collect();
        if !rows.is_empty() {
            parts.push(title.to_string());
            parts.push(table(&head, rows, 1));
        }
    }
    parts.push(faster_rivals(&all, cards, &heats));
    parts.join("\n\n")
}

fn of<'speeds>(speeds: &[&'speeds Speed], work: Work) -> Vec<&'speeds Speed> {
    speeds.iter().copied().filter(|speed| speed.work == work).collect()
}

fn row(
    speeds: &[&Speed],
    cards: &[&'static Card],
    (work, kind): (Work, Kind),
    heats: &[(u32, u32)],
) -> Option<Vec<String>> {
    let mut row = vec![work.short().to_string()];
    let mut any = false;
    for heat in heats {
        let ours = fastest(speeds, cards, Kind::Ours, *heat);
        let best = fastest(speeds, cards, kind, *heat);
        row.push(match (ours, best) {
            (Some((_, ours)), Some((name, best))) if best > 0.0 => {
                any = true;
                format!("{:.2}x {name}", ours / best)
            }
            _ => "-".to_string(),
        });
    }
    any.then_some(row)
}

/// Every cell in which a rival was faster, said in words.
fn faster_rivals(all: &[&Speed], cards: &[&'static Card], heats: &[(u32, u32)]) -> String {
    let mut lines = Vec::new();
    for work in Work::SPEED {
        let speeds = of(all, work);
        for card in cards.iter().filter(|card| card.kind != Kind::Ours) {
            let ahead: Vec<String> = heats
                .iter()
                .filter_map(|heat| {
                    let (_, ours) = fastest(&speeds, cards, Kind::Ours, *heat)?;
                    let ratio = rate_of(&speeds, card.name, *heat)? / ours;
                    let (keys, threads) = *heat;
                    let place = format!("{} keys on {threads}", count(u64::from(keys)));
                    (ratio > 1.0).then(|| format!("{ratio:.2}x at {place}"))
                })
                .collect();
            if !ahead.is_empty() {
                lines.push(format!("- {}: {} {}", work.short(), card.name, ahead.join(", ")));
            }
        }
    }
    if lines.is_empty() {
        return "No rival was faster in any timed lap of this run.".to_string();
    }
    format!(
        "Where a rival was faster (its rate over this project's, by keys and threads):\n\n{}",
        lines.join("\n")
    )
}
