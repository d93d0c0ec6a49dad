//! The units of times and TTLs, told by how large they are.

use super::super::ReadAs;
use super::super::fields::{self, TimeUnit};
use super::super::rows::Row;
use super::layout::Layout;

/// The units of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Units {
    pub(in super::super) time: TimeUnit,
    pub(in super::super) ttl: TimeUnit,
    /// Whether the times were taken for seconds because nothing spoke against it.
    pub(in super::super) is_fallback: bool,
}

impl Default for Units {
    fn default() -> Self {
        Units { time: TimeUnit::S, ttl: TimeUnit::S, is_fallback: false }
    }
}

/// Times of this century in seconds.
const CENTURY: std::ops::Range<f64> = 0.9e9..4.2e9;

/// Windows file times of this century, in ticks of 100 nanoseconds since 1601: no clock of nanoseconds since 1970 has
/// shown such a number after 1975.
const FILE_TIMES: std::ops::Range<f64> = 1.26e17..1.6e17;

impl Units {
    /// The units as the user says, or as the numbers tell; and what is doubtful in that.
    pub(super) fn of(rows: &[Row], layout: &Layout, read_as: &ReadAs) -> (Units, Vec<String>) {
        let mut doubts = Vec::new();
        let largest = |column: Option<usize>| {
            let numbers = rows.iter().filter_map(|row| fields::magnitude(row.field(column?)));
            numbers.max_by(f64::total_cmp)
        };
        let guessed = largest(layout.time).map(of_size);
        let time = match (read_as.time_unit, guessed) {
            (Some(unit), _) => unit,
            (None, Some((unit, doubtful))) => {
                if doubtful {
                    doubts.push(format!(
                        "the times are taken for {}, which their size does not make sure; --time-unit says it",
                        unit.words()
                    ));
                }
                unit
            }
            (None, None) => TimeUnit::S,
        };
        let is_fallback = read_as.time_unit.is_none() && time == TimeUnit::S;
        let ttl = match (read_as.ttl_unit, read_as.time_unit) {
            (Some(unit), _) | (None, Some(unit)) => unit,
            (None, None) => of_ttls(rows, layout, time),
        };
        // TTLs that nothing measures against need no unit.
        let is_open = read_as.ttl_unit.is_none() && layout.ttl.is_some() && layout.time.is_some();
        if is_open && read_as.time_unit.is_none() && time != TimeUnit::S {
            doubts.push(format!("the TTLs are taken for {}; --ttl-unit says otherwise", ttl.words()));
        }
        if is_open && read_as.time_unit.is_some() && of_ttls(rows, layout, time) != ttl {
            doubts.push(format!(
                "the TTLs are taken for {}, as --time-unit says of times; --ttl-unit s says that they are seconds",
                ttl.words()
            ));
        }
        (Units { time, ttl, is_fallback }, doubts)
    }
}

/// The unit in which a time of this century is so large, and whether that is in doubt.
fn of_size(largest: f64) -> (TimeUnit, bool) {
    let of = |unit: TimeUnit| (unit, !CENTURY.contains(&(largest / unit.per_second() as f64)));
    match largest {
        _ if FILE_TIMES.contains(&largest) => (TimeUnit::Ticks, true),
        x if x >= 1e17 => of(TimeUnit::Ns),
        x if x >= 1e14 => of(TimeUnit::Us),
        x if x >= 1e11 => of(TimeUnit::Ms),
        // Times that count from the first request are small.
        x => (TimeUnit::S, x > CENTURY.end),
    }
}

/// TTLs are in seconds, as most caches take them, unless all are whole seconds in the unit of the times.
fn of_ttls(rows: &[Row], layout: &Layout, time: TimeUnit) -> TimeUnit {
    let per_second = time.per_second();
    let ttls = || {
        let numbers = rows.iter().filter_map(|row| fields::whole(row.field(layout.ttl?)));
        numbers.filter(|&ttl| ttl > 0)
    };
    let all_whole = ttls().next().is_some() && ttls().all(|ttl| ttl.is_multiple_of(per_second));
    if all_whole { time } else { TimeUnit::S }
}
