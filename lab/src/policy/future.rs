//! [`Future`]: when the key of each request is read again, which no cache can know and a recorded trace can tell.
//!
//! Holds 8 bytes a request; writing it down takes a map of the distinct keys besides.

use super::keyed::KeyMap;

/// How far it is from a request to the next read of its key. What is too far to be told is cut to the largest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ahead {
    requests: u32,
    ms: u32,
}

impl Ahead {
    const NEVER: Ahead = Ahead { requests: u32::MAX, ms: u32::MAX };
}

/// The next reads of a trace's keys, by request.
#[derive(Debug, Default)]
pub struct Future {
    ahead: Vec<Ahead>,
}

impl Future {
    /// Which request reads what the request of this index asked for, if one does before `within_ms` are over.
    pub fn next_read(&self, index: usize, within_ms: u64) -> Option<u64> {
        let ahead = *self.ahead.get(index)?;
        let seen = ahead.requests != Ahead::NEVER.requests && u64::from(ahead.ms) < within_ms;
        seen.then(|| index as u64 + u64::from(ahead.requests))
    }
}

/// A future as it is written down, from the first request to the last.
#[derive(Debug, Default)]
pub struct Foresight {
    future: Future,
    /// The latest request for each key.
    latest: KeyMap<Latest>,
}

#[derive(Debug)]
struct Latest {
    index: usize,
    now_ms: u64,
}

impl Foresight {
    /// Nothing yet, with room for so many requests.
    pub fn with_room(requests: u64) -> Foresight {
        let room = usize::try_from(requests).unwrap_or_default();
        Foresight { future: Future { ahead: Vec::with_capacity(room) }, latest: KeyMap::default() }
    }

    /// The next request is a read: whoever held the key until then has a hit.
    pub fn read(&mut self, key: u64, now_ms: u64) {
        if let Some(latest) = self.latest.get(&key) {
            let cut = |far: u64| u32::try_from(far).unwrap_or(u32::MAX);
            let requests = cut((self.future.ahead.len() - latest.index) as u64);
            let ms = cut(now_ms.saturating_sub(latest.now_ms));
            self.future.ahead[latest.index] = Ahead { requests, ms };
        }
        self.write(key, now_ms);
    }

    /// The next request is a write: it stores the key whether it was held until then or not, so that nothing is gained
    /// by holding it.
    pub fn write(&mut self, key: u64, now_ms: u64) {
        self.latest.insert(key, Latest { index: self.future.ahead.len(), now_ms });
        self.future.ahead.push(Ahead::NEVER);
    }

    /// The future, once every request was told.
    pub fn finish(self) -> Future {
        self.future
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_read_is_told_unless_a_write_or_the_end_of_a_life_comes_before_it() {
        let mut foresight = Foresight::with_room(5);
        foresight.read(1, 0);
        foresight.read(2, 10);
        foresight.read(1, 20);
        foresight.write(2, 30);
        foresight.read(2, 40);
        let future = foresight.finish();
        let all: Vec<_> = (0..6).map(|index| future.next_read(index, u64::MAX)).collect();
        assert_eq!(all, [Some(2), None, None, Some(4), None, None]);
        assert_eq!((future.next_read(0, 21), future.next_read(0, 20)), (Some(2), None));
    }

    #[test]
    fn a_read_too_far_ahead_in_time_is_still_told_to_those_who_live_for_ever() {
        let mut foresight = Foresight::default();
        foresight.read(1, 0);
        foresight.read(1, 1 << 40);
        assert_eq!(foresight.finish().next_read(0, u64::MAX), Some(1));
    }
}
