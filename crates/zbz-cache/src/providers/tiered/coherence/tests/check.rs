//! What must not be served at a moment, and whether it would be.

use super::*;

impl World {
    fn serves(&self, copy: &CopyNear) -> bool {
        self.now < self.coherence.serves_until(copy.stamp)
    }

    /// Why a copy must not be served at this moment, if so.
    pub(super) fn wrong(&self, key: usize, copy: &CopyNear) -> Option<&'static str> {
        let told = |push: &Push| match push {
            Push::Key(of, _) => *of == key,
            Push::Flush(_) => true,
            Push::Proof(..) => false,
        };
        let is_on_its_way = self.queue.iter().any(told) || self.taking.is_some_and(|(of, _)| of == key);
        if self.is_lost {
            return Some("after a loss, before a proof");
        }
        if self.now >= self.proven + SPAN {
            return Some("after the last proof ran out");
        }
        if copy.version < self.floor[key] {
            return Some("older than a revocation that was seen");
        }
        if copy.begun != self.begun[key] && self.write != Some((key, Write::Counted)) {
            return Some("read before an own write began");
        }
        if self.is_up && copy.version != self.far[key] && !is_on_its_way {
            return Some("stale, and nothing will tell");
        }
        None
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        for (key, copy) in self.copies.iter().enumerate() {
            if let Some(copy) = copy
                && self.serves(copy)
                && let Some(wrong) = self.wrong(key, copy)
            {
                return Err(wrong);
            }
        }
        for read in self.reads.iter().flatten() {
            let Some((token, version)) = read.token.as_ref().zip(read.version) else { continue };
            let joins = self.coherence.is_live(token, self.now) || self.fault == Fault::JoinsAnyway;
            if joins && version < self.floor[read.key] {
                return Err("joined a read of before a revocation");
            }
        }
        Ok(())
    }
}
