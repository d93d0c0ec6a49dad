//! The cache itself as a target: real keys and values, a clock moved by hand.

use std::time::Duration;

use zbz_cache::{Clock, ManualClock, MemoryCache};
use zbz_cache_memory::{Error, MIN_MAX_SIZE};

use super::size::{Capacity, PercentOf};
use super::target::{Met, Request, Target, Totals};
use super::through::{Through, Unbuilt};
use crate::failure::Failure;
use crate::figures;
use crate::trace::Op;

/// Trace time between two sweeps of expired keys: the engine's own default.
const SWEEP_MS: u64 = 60_000;

/// Bytes at the front of a value that tell its key.
const STAMP_BYTES: usize = 8;

/// A cache, with what a replay adds to it.
#[derive(Debug)]
pub struct Engine {
    cache: MemoryCache,
    clock: ManualClock,
    now_ms: u64,
    next_sweep_ms: u64,
    /// The value that is written, as long as the longest so far.
    written: Vec<u8>,
    too_large: u64,
}

impl Engine {
    /// The cache's name in results.
    pub const NAME: &str = "engine";

    /// The cache's part in a replay.
    pub fn through() -> Through<'static> {
        let build = |capacity| match capacity {
            Capacity::Bytes(bytes) => {
                let engine = Engine::new(bytes).map_err(Unbuilt::Skipped)?;
                Ok(Box::new(engine) as Box<dyn Target>)
            }
            Capacity::Keys(_) => {
                let problem = "of a kind that the cache does not take: give it bytes";
                Err(Unbuilt::Skipped(problem.to_owned()))
            }
        };
        Through { name: Engine::NAME.to_owned(), percent_of: PercentOf::Bytes, build: Box::new(build) }
    }

    /// # Errors
    ///
    /// The size is below what the cache takes.
    fn new(max_size: u64) -> Result<Engine, String> {
        if max_size < MIN_MAX_SIZE {
            return Err(format!("too small: the cache takes {} or more", figures::bytes(MIN_MAX_SIZE)));
        }
        let (clock, hand) = Clock::manual();
        let cache = MemoryCache::builder().max_size(max_size).clock(clock).build();
        Ok(Engine {
            cache: cache.map_err(|error| error.to_string())?,
            clock: hand,
            now_ms: 0,
            next_sweep_ms: SWEEP_MS,
            written: Vec::new(),
            too_large: 0,
        })
    }

    /// Brings the clock to the request's time, and sweeps as often as the background thread would have.
    fn move_clock(&mut self, now_ms: u64) -> Result<(), Error> {
        if now_ms > self.now_ms {
            self.clock.advance(Duration::from_millis(now_ms - self.now_ms));
            self.now_ms = now_ms;
        }
        if now_ms >= self.next_sweep_ms {
            self.cache.run_maintenance()?;
            self.next_sweep_ms = now_ms + SWEEP_MS;
        }
        Ok(())
    }

    fn store(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let most = self.cache.max_value_bytes();
        let fits = usize::try_from(request.value_bytes).ok().filter(|&bytes| bytes <= most);
        // What can never be held is not even made: it may be larger than the memory there is.
        let stored = match fits {
            Some(bytes) => {
                let ttl = request.ttl_ms.map(Duration::from_millis);
                self.cache.set(request.key, stamped(&mut self.written, request.key_hash, bytes), ttl)
            }
            None => self.cache.delete(request.key).and(Err(Error::TooLarge { len: usize::MAX, max: most })),
        };
        match stored {
            Err(Error::TooLarge { .. }) => {
                self.too_large += 1;
                Ok(())
            }
            other => other,
        }
    }

    fn get(&mut self, request: &Request<'_>) -> Result<Met, Failure> {
        let stamp = request.key_hash.to_le_bytes();
        // Where the value lies: copying it out would be most of the time of a replay of large values.
        let right = |value: &[u8]| stamp.starts_with(&value[..value.len().min(STAMP_BYTES)]);
        match self.cache.get_with(request.key, |value, _| right(value))? {
            Some(true) => Ok(Met::Hit),
            Some(false) => Err(Failure::Work("the cache gave the value of another key".to_owned())),
            None => {
                self.store(request)?;
                Ok(Met::Miss)
            }
        }
    }
}

impl Target for Engine {
    fn request(&mut self, request: &Request<'_>) -> Result<Met, Failure> {
        self.move_clock(request.now_ms)?;
        if request.key.len() > self.cache.max_key_bytes() {
            self.too_large += 1;
            return Ok(if request.op == Op::Get { Met::Miss } else { Met::Done });
        }
        match request.op {
            Op::Get => return self.get(request),
            Op::Set => self.store(request)?,
            Op::Add if self.cache.exists(request.key)? => {}
            Op::Add => self.store(request)?,
            Op::Delete => {
                self.cache.delete(request.key)?;
            }
        }
        Ok(Met::Done)
    }

    fn totals(&self) -> Totals {
        let stats = self.cache.stats();
        Totals {
            evictions: stats.evictions,
            expirations: stats.expirations,
            keys: stats.keys,
            memory_bytes: Some(stats.memory_bytes),
            too_large: self.too_large,
        }
    }
}

/// A value of this length that tells its key, or as much of it as there is room for.
fn stamped(buffer: &mut Vec<u8>, key_hash: u64, bytes: usize) -> &[u8] {
    if buffer.len() < bytes {
        buffer.resize(bytes, b'v');
    }
    let value = &mut buffer[..bytes];
    for (place, byte) in value.iter_mut().zip(key_hash.to_le_bytes()) {
        *place = byte;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(op: Op, key: &[u8], now_ms: u64) -> Request<'_> {
        Request { op, key, key_hash: key.len() as u64, value_bytes: 100, now_ms, ttl_ms: None }
    }

    #[test]
    fn a_miss_stores_and_times_to_live_follow_the_time_of_the_trace() {
        let mut engine = Engine::new(1 << 20).unwrap();
        let brief = |now_ms| Request { ttl_ms: Some(1000), ..request(Op::Get, b"k", now_ms) };
        for (now_ms, met) in [(0, Met::Miss), (999, Met::Hit), (1000, Met::Miss)] {
            assert_eq!(engine.request(&brief(now_ms)).unwrap(), met, "{now_ms}");
        }
        engine.request(&request(Op::Get, b"other", 10 * SWEEP_MS)).unwrap();
        assert_eq!((engine.totals().expirations, engine.totals().keys), (2, 1));
    }

    #[test]
    fn writes_and_deletes_are_done_as_recorded() {
        let mut engine = Engine::new(1 << 20).unwrap();
        for (op, met) in
            [(Op::Set, Met::Done), (Op::Get, Met::Hit), (Op::Delete, Met::Done), (Op::Add, Met::Done)]
        {
            assert_eq!(engine.request(&request(op, b"k", 0)).unwrap(), met);
        }
        assert_eq!(engine.request(&request(Op::Get, b"k", 0)).unwrap(), Met::Hit);
    }

    #[test]
    fn what_can_never_be_held_is_counted_and_missed() {
        let mut engine = Engine::new(MIN_MAX_SIZE).unwrap();
        let huge = Request { value_bytes: u64::MAX, ..request(Op::Get, b"k", 0) };
        assert_eq!(engine.request(&huge).unwrap(), Met::Miss);
        assert_eq!(engine.request(&huge).unwrap(), Met::Miss);
        let long = vec![b'k'; 30_000];
        assert_eq!(engine.request(&request(Op::Get, &long, 0)).unwrap(), Met::Miss);
        assert_eq!((engine.totals().too_large, engine.totals().keys), (3, 0));
        assert!(Engine::new(MIN_MAX_SIZE - 1).err().unwrap().starts_with("too small"));
    }
}
