//! Miss ratios by size, as a plot needs them: one axis for all curves, points in order.

use super::report::Report;
use super::result::TraceReport;
use super::size::{Capacity, PercentOf, Size};
use crate::figures;

/// What the horizontal axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Of the bytes of the trace's distinct keys and values.
    PercentOfBytes,
    /// Of the trace's distinct keys.
    PercentOfKeys,
    /// Of the one for the cache, of the other for policies.
    Percent,
    /// Of the cache, or of what it holds.
    Bytes,
    /// That a policy may hold.
    Keys,
}

/// One target on one trace.
#[derive(Clone, Debug)]
pub struct Curve {
    /// As the legend has it.
    pub name: String,
    /// Size and miss ratio (0 to 1), by rising size.
    pub points: Vec<(f64, f64)>,
}

impl Axis {
    /// The axis on which all these sizes have a place.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn of(sizes: &[Size], percents: &[PercentOf]) -> Result<Axis, String> {
        let all = |is: fn(&Size) -> bool| sizes.iter().all(is);
        let engine_only = percents.iter().all(|of| *of == PercentOf::Bytes);
        if all(|size| matches!(size, Size::Percent(_))) {
            let policies_only = !percents.contains(&PercentOf::Bytes);
            Ok(if engine_only {
                Axis::PercentOfBytes
            } else if policies_only {
                Axis::PercentOfKeys
            } else {
                Axis::Percent
            })
        } else if all(|size| matches!(size, Size::PercentOfBytes(_))) {
            Ok(Axis::PercentOfBytes)
        } else if engine_only || all(|size| matches!(size, Size::Bytes { .. })) {
            Ok(Axis::Bytes)
        } else if all(|size| matches!(size, Size::Keys(_))) {
            Ok(Axis::Keys)
        } else {
            Err("--plot needs sizes of one kind: all percentages, all bytes or all keys".to_owned())
        }
    }

    /// What stands beside the axis.
    pub fn words(self) -> &'static str {
        match self {
            Axis::PercentOfBytes => "cache size, % of the bytes of the trace's distinct keys and values",
            Axis::PercentOfKeys => "cache size, % of the trace's distinct keys",
            Axis::Percent => {
                "cache size, % of the trace's distinct keys (engine: of the bytes of keys and values)"
            }
            Axis::Bytes => "cache size, bytes",
            Axis::Keys => "cache size, keys",
        }
    }

    /// What stands at a tick.
    pub fn label(self, at: f64) -> String {
        match self {
            // Ticks have one digit that counts; the rest is rounding.
            Axis::PercentOfBytes | Axis::PercentOfKeys | Axis::Percent => {
                format!("{}", (at * 1e6).round() / 1e6)
            }
            Axis::Bytes => figures::short_bytes(at.round() as u64),
            Axis::Keys => figures::count(at.round() as u64),
        }
    }

    /// From a little below the smallest size to a little above the largest.
    pub fn range(self, curves: &[Curve]) -> (f64, f64) {
        const MARGIN: f64 = 1.15;
        let sizes = || curves.iter().flat_map(|curve| curve.points.iter().map(|(size, _)| *size));
        let (from, to) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
        if from <= to { (from / MARGIN, to * MARGIN) } else { (1.0, 10.0) }
    }

    /// Round sizes within a range, about ten at most.
    pub fn ticks(self, from: f64, to: f64) -> Vec<f64> {
        const MOST: usize = 10;
        let steps: &[f64] = if self == Axis::Bytes { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let base: f64 = if self == Axis::Bytes { 2.0 } else { 10.0 };
        let decades = from.log(base).floor() as i32..=to.log(base).ceil() as i32;
        let round = decades.flat_map(|decade| steps.iter().map(move |step| step * base.powi(decade)));
        let mut ticks: Vec<f64> = round.filter(|tick| (from..=to).contains(tick)).collect();
        let every = ticks.len().div_ceil(MOST).max(1);
        let mut index = 0;
        ticks.retain(|_| {
            index += 1;
            (index - 1) % every == 0
        });
        ticks
    }
}

/// What a plot shows.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What stands above all.
    pub title: String,
    /// Told apart by how they are drawn.
    pub curves: Vec<Curve>,
}

impl Picture {
    /// All curves of a report; the trace is named in the title if it is one, else with each curve.
    pub fn of(report: &Report, axis: Axis) -> Picture {
        match &report.traces[..] {
            [trace] => Picture {
                title: format!("{}: miss ratio by cache size", trace.name()),
                curves: curves(trace, axis, str::to_owned),
            },
            traces => Picture {
                title: "Miss ratio by cache size".to_owned(),
                curves: traces
                    .iter()
                    .flat_map(|trace| curves(trace, axis, |through| format!("{}, {through}", trace.name())))
                    .collect(),
            },
        }
    }
}

/// The curves of a trace, named by what it was replayed through.
fn curves(trace: &TraceReport, axis: Axis, name: impl Fn(&str) -> String) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for row in &trace.rows {
        let name = name(&row.through);
        let Some(hit_ratio) = row.outcome.as_ref().ok().and_then(|measured| measured.hit_ratio) else {
            continue;
        };
        let (Capacity::Bytes(units) | Capacity::Keys(units)) = row.capacity;
        let size = match axis {
            Axis::Bytes | Axis::Keys => units as f64,
            _ => row.size.trim_end_matches("bytes").trim_end_matches('%').parse().unwrap_or(f64::NAN),
        };
        let index = curves.iter().position(|curve| curve.name == name).unwrap_or_else(|| {
            curves.push(Curve { name, points: Vec::new() });
            curves.len() - 1
        });
        curves[index].points.push((size, 1.0 - hit_ratio));
    }
    for curve in &mut curves {
        curve.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    curves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_one_kind_share_an_axis() {
        let sizes = |text: &str| text.split(',').map(|size| size.parse().unwrap()).collect::<Vec<Size>>();
        let policy = [PercentOf::Keys];
        assert_eq!(Axis::of(&sizes("1%,10%"), &policy), Ok(Axis::PercentOfKeys));
        assert_eq!(Axis::of(&sizes("1%bytes,10%bytes"), &policy), Ok(Axis::PercentOfBytes));
        assert_eq!(Axis::of(&sizes("1%,64MiB"), &[PercentOf::Bytes]), Ok(Axis::Bytes));
        assert_eq!(Axis::of(&sizes("1000keys"), &policy), Ok(Axis::Keys));
        assert!(Axis::of(&sizes("1%,64MiB"), &policy).is_err());
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(Axis::Percent.ticks(0.9, 11.0), [1.0, 2.0, 5.0, 10.0]);
        let labels: Vec<String> =
            Axis::Percent.ticks(0.09, 0.6).into_iter().map(|at| Axis::Percent.label(at)).collect();
        assert_eq!(labels, ["0.1", "0.2", "0.5"]);
        let ticks = Axis::Bytes.ticks(60_000.0, 1.1e9);
        assert_eq!(Axis::Bytes.label(ticks[0]), "64 KiB");
        assert!(ticks.len() <= 10);
    }
}
