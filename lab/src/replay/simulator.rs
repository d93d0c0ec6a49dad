//! A simulated policy as a target. It knows nothing of deletes, and a write is a request that is not counted.

use std::rc::Rc;

use zbz_cache_cli::replay::size;
use zbz_cache_cli::replay::target::{Met, Request, Target, Totals};
use zbz_cache_cli::trace::Op;

use crate::policy::{self, Belady, Capacity, Future, Outcome, Policy};

pub struct Simulator {
    policy: Box<dyn Policy>,
}

impl Simulator {
    /// # Errors
    ///
    /// There is no such policy.
    pub fn new(name: &str, capacity: size::Capacity) -> Result<Simulator, String> {
        let capacity = match capacity {
            // Two entries that fit have a sum.
            size::Capacity::Bytes(bytes) => Capacity::Bytes(bytes.min(u64::MAX / 2)),
            size::Capacity::Keys(keys) => Capacity::Entries(keys),
        };
        Ok(Simulator { policy: policy::by_name(name, capacity)? })
    }

    /// The policy that knows the future of the trace it is given.
    pub fn clairvoyant(keys: u64, future: Rc<Future>) -> Simulator {
        Simulator { policy: Box::new(Belady::new(keys, future)) }
    }
}

impl Target for Simulator {
    fn request(&mut self, request: &Request<'_>) -> Result<Met, zbz_cache_cli::failure::Failure> {
        if request.op == Op::Delete {
            return Ok(Met::Done);
        }
        let outcome = self.policy.request(&policy::Request {
            key: request.key_hash,
            bytes: request.value_bytes.saturating_add(request.key.len() as u64),
            now_ms: request.now_ms,
            ttl_ms: request.ttl_ms,
        });
        Ok(match (request.op, outcome) {
            (Op::Get, Outcome::Hit) => Met::Hit,
            (Op::Get, Outcome::Miss) => Met::Miss,
            _ => Met::Done,
        })
    }

    fn totals(&self) -> Totals {
        let counts = self.policy.counts();
        Totals {
            evictions: counts.evictions,
            expirations: counts.expirations,
            keys: counts.live_entries,
            ..Totals::default()
        }
    }
}
