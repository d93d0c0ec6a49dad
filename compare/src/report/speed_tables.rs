//! One table for each kind of timed lap.

use crate::contestant::{Card, Kind};
use crate::median::{median, spread};
use crate::report::format::{millions, ratio, table};
use crate::report::heat;
use crate::results::{Results, Speed, Work};

/// Hits below this share are worth a line.
const FULL_HITS: f64 = 0.999;

/// The table of one kind of lap; none when it was not run.
pub fn section(results: &Results, cards: &[&'static Card], work: Work) -> Option<String> {
    let speeds: Vec<&Speed> = results.speed.iter().filter(|speed| speed.work == work).collect();
    if speeds.is_empty() {
        return None;
    }
    let heats = heats(&speeds);
    let mut head = vec!["contestant".to_string(), second_column(work).to_string()];
    head.extend(heats.iter().map(|(keys, threads)| heat(*keys, *threads)));
    let rows =
        cards.iter().filter(|card| speeds.iter().any(|speed| speed.contestant == card.name)).map(|card| {
            let mut row = vec![card.name.to_string(), second_cell(card, work)];
            row.extend(heats.iter().map(|heat| cell(&speeds, cards, card, *heat)));
            row
        });
    let text = table(&head, rows.collect(), 2);
    let mut lines = vec![format!("## {}", work.title()), legend(&speeds, cards).to_string(), text];
    lines.extend(remarks(&speeds, work));
    Some(lines.join("\n\n"))
}

/// The median rate of one contestant in one heat.
pub fn rate_of(speeds: &[&Speed], contestant: &str, (keys, threads): (u32, u32)) -> Option<f64> {
    let speed = speeds
        .iter()
        .find(|speed| speed.contestant == contestant && speed.keys == keys && speed.threads == threads)?;
    median(&speed.rates)
}

/// The pairs of keys and threads, in the order of the run.
pub fn heats(speeds: &[&Speed]) -> Vec<(u32, u32)> {
    let mut heats: Vec<(u32, u32)> = speeds.iter().map(|speed| (speed.threads, speed.keys)).collect();
    heats.sort_unstable();
    heats.dedup();
    heats.into_iter().map(|(threads, keys)| (keys, threads)).collect()
}

/// The fastest of a kind in one heat.
pub fn fastest(
    speeds: &[&Speed],
    cards: &[&'static Card],
    kind: Kind,
    heat: (u32, u32),
) -> Option<(&'static str, f64)> {
    cards
        .iter()
        .filter(|card| card.kind == kind)
        .filter_map(|card| Some((card.name, rate_of(speeds, card.name, heat)?)))
        .max_by(|left, right| left.1.total_cmp(&right.1))
}

fn second_column(work: Work) -> &'static str {
    match work {
        Work::BatchGet | Work::BatchSet => "batch",
        Work::Ttl => "a TTL is",
        Work::Get | Work::Mixed => "a get hands out",
        _ => "kind",
    }
}

fn second_cell(card: &Card, work: Work) -> String {
    match work {
        Work::BatchGet => card.batch.unwrap_or("a loop").to_string(),
        Work::BatchSet => card.batch_set.unwrap_or("a loop").to_string(),
        Work::Ttl => card.ttl.unwrap_or("not known").to_string(),
        Work::Get | Work::Mixed => card.hands_out.to_string(),
        _ => match card.kind {
            Kind::Map => "map, no limit",
            Kind::Cache => "cache",
            Kind::Ours => "cache (this project)",
        }
        .to_string(),
    }
}

fn cell(speeds: &[&Speed], cards: &[&'static Card], card: &Card, heat: (u32, u32)) -> String {
    let Some(rate) = rate_of(speeds, card.name, heat) else {
        return "-".to_string();
    };
    let against = fastest(speeds, cards, Kind::Ours, heat)
        .or_else(|| fastest(speeds, cards, Kind::Cache, heat))
        .or_else(|| fastest(speeds, cards, Kind::Map, heat));
    match against {
        Some((_, base)) if base > 0.0 => format!("{} ({})", ratio(rate / base), millions(rate)),
        _ => millions(rate),
    }
}

fn legend(speeds: &[&Speed], cards: &[&'static Card]) -> &'static str {
    let ours = cards
        .iter()
        .any(|card| card.kind == Kind::Ours && speeds.iter().any(|speed| speed.contestant == card.name));
    if ours {
        "Times this project's rate (million operations a second); bold where a rival is faster."
    } else {
        "Times the fastest cache's rate (million operations a second); this project did not race."
    }
}

/// What the medians do not show: misses, refusals and noise.
fn remarks(speeds: &[&Speed], work: Work) -> Vec<String> {
    let mut lines = Vec::new();
    for speed in speeds {
        let place = heat(speed.keys, speed.threads);
        if speed.hit_share < FULL_HITS {
            let percent = 100.0 * speed.hit_share;
            lines.push(format!(
                "- {} ({place}) hit {percent:.1} % of its gets: a miss is cheaper.",
                speed.contestant
            ));
        }
        if speed.refused > 0 {
            lines.push(format!(
                "- {} ({place}) returned an error for {} sets.",
                speed.contestant, speed.refused
            ));
        }
    }
    if work == Work::SetFull {
        lines.push("- Maps keep no limit and are left out.".to_string());
    }
    if work == Work::Ttl {
        lines.push("- Contestants whose entries have no time to live are left out.".to_string());
    }
    let noisiest = speeds
        .iter()
        .filter(|speed| speed.rates.len() > 1)
        .filter_map(|speed| Some((spread(&speed.rates)?, speed)))
        .max_by(|left, right| left.0.total_cmp(&right.0));
    if let Some((spread, speed)) = noisiest {
        lines.push(format!(
            "- Largest spread between rounds: {:.0} % of the median ({}, {}).",
            100.0 * spread,
            speed.contestant,
            heat(speed.keys, speed.threads)
        ));
    }
    if lines.is_empty() { lines } else { vec![lines.join("\n")] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants;

    fn speed(contestant: &'static str, rates: &[f64]) -> Speed {
        Speed {
            work: Work::Get,
            keys: 1000,
            threads: 2,
            contestant,
            rates: rates.to_vec(),
            hit_share: 1.0,
            refused: 0,
        }
    }

    fn rivals() -> Vec<&'static Card> {
        ["quick_cache", "moka", "dashmap"].iter().filter_map(|name| contestants::find(name)).collect()
    }

    #[test]
    fn without_this_project_the_fastest_cache_is_the_measure() {
        let (quick, moka, dash) =
            (speed("quick_cache", &[4e6]), speed("moka", &[1e6, 2e6, 9e6]), speed("dashmap", &[8e6]));
        let speeds = [&quick, &moka, &dash];
        let cards = rivals();
        assert_eq!(cell(&speeds, &cards, cards[0], (1000, 2)), "1.00x (4.00)");
        assert_eq!(cell(&speeds, &cards, cards[1], (1000, 2)), "0.50x (2.00)");
        assert_eq!(cell(&speeds, &cards, cards[2], (1000, 2)), "**2.00x** (8.00)");
        assert_eq!(cell(&speeds, &cards, cards[2], (1000, 1)), "-");
    }

    #[test]
    fn misses_refusals_and_noise_are_remarked() {
        let mut noisy = speed("moka", &[1e6, 2e6, 3e6]);
        noisy.hit_share = 0.5;
        noisy.refused = 7;
        let text = remarks(&[&noisy], Work::Get).join("\n");
        assert!(text.contains("50.0 %") && text.contains("7 sets") && text.contains("100 %"), "{text}");
    }
}
