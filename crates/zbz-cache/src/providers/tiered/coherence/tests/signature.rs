//! Which worlds are alike.

use super::*;

impl World {
    /// All that decides what can come, with what only grows taken relative to itself.
    pub(super) fn signature(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        let since = |time: u64| (time.saturating_sub(self.now)).min(15) as u8;
        let behind = |key: usize, version: u8| self.far[key].wrapping_sub(version);
        let copy = |key: usize, copy: &CopyNear| {
            let is_current = copy.stamp == self.epoch();
            [behind(key, copy.version), u8::from(is_current), self.begun[key] - copy.begun]
        };
        bytes.extend([u8::from(self.is_up), u8::from(self.is_lost)]);
        bytes.extend([since(self.live_until()), since(self.proven + SPAN)]);
        for key in 0..KEYS {
            bytes.push(behind(key, self.floor[key]));
            match &self.copies[key] {
                Some(near) => bytes.extend(copy(key, near)),
                None => bytes.push(99),
            }
        }
        for push in &self.queue {
            match push {
                Push::Key(key, version) => bytes.extend([100 + *key as u8, behind(*key, *version)]),
                Push::Flush(versions) => {
                    bytes.push(110);
                    bytes.extend((0..KEYS).map(|key| behind(key, versions[key])));
                }
                Push::Proof(asked, over) => {
                    bytes.extend([120 + u8::from(over.is_some()), since(asked + SPAN)]);
                    bytes.extend(over.iter().flat_map(|over| (0..KEYS).map(|key| behind(key, over[key]))));
                }
            }
        }
        match self.taking {
            Some((key, version)) => bytes.extend([130 + key as u8, behind(key, version)]),
            None => bytes.push(132),
        }
        let mut reads: Vec<[u8; 5]> = Vec::new();
        for read in self.reads.iter().flatten() {
            let good = read.token.as_ref().map_or(2, |token| u8::from(self.is_good(token)));
            let current = read.token.as_ref().is_some_and(|token| token.stamp == self.epoch());
            let version = read.version.map_or(255, |version| behind(read.key, version));
            let begun = self.begun[read.key] - read.begun;
            reads.push([read.key as u8, good, u8::from(current), version, begun]);
        }
        reads.sort_unstable();
        bytes.extend(reads.concat());
        match &self.serving {
            Some(serving) => {
                bytes.extend(copy(serving.key, &serving.copy));
                bytes.extend([u8::from(serving.was_right), serving.live_until.map_or(254, since)]);
                bytes.push(serving.epoch_is_same.map_or(2, u8::from));
            }
            None => bytes.push(140),
        }
        let version = |version: Option<u8>| version.map_or(255, |version| behind(0, version));
        bytes.extend(match self.write {
            None => [0, 0],
            Some((_, Write::Counted)) => [1, 0],
            Some((_, Write::Deleted)) => [2, 0],
            Some((_, Write::Sent)) => [3, 0],
            Some((_, Write::Done(done))) => [4, version(Some(done))],
            Some((_, Write::Ended(done))) => [5, version(done)],
            Some((_, Write::EndCounted(done))) => [6, version(done)],
        });
        bytes.push(self.loose.map_or(9, |key| key as u8));
        bytes
    }
}
