//! [`TraceClock`]: the time of a replay, which is that of the trace.

use crate::trace::Record;

/// Milliseconds since the first request.
#[derive(Debug, Default)]
pub struct TraceClock {
    first_ms: Option<u64>,
    now_ms: u64,
}

impl TraceClock {
    /// Moves on to this request. A trace may step back in time; a clock does not.
    pub fn at(&mut self, record: &Record) -> u64 {
        let first_ms = *self.first_ms.get_or_insert(record.time_ms);
        self.now_ms = record.time_ms.saturating_sub(first_ms).max(self.now_ms);
        self.now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_begins_at_the_first_request_and_never_steps_back() {
        let mut clock = TraceClock::default();
        let times = [50, 70, 40, 80].map(|time_ms| clock.at(&Record { time_ms, ..Record::default() }));
        assert_eq!(times, [0, 20, 20, 30]);
    }
}
