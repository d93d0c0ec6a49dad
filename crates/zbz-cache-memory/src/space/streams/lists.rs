//! [`Lists`]: the queues of sealed segments, oldest first, and the stacks of all others.

use crate::policy::Queue;

/// No segment.
pub(super) const NOWHERE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) before: u32,
    pub(super) after: u32,
}

pub(super) const UNLINKED: Link = Link { before: NOWHERE, after: NOWHERE };

#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) oldest: u32,
    pub(super) newest: u32,
}

#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) links: Vec<Link>,
    pub(super) queues: [Ends; 2],
    pub(super) free: Vec<u32>,
    pub(super) limbo: Vec<u32>,
    /// Those whose memory was given back.
    pub(super) absent: Vec<u32>,
    pub(super) generations: u64,
    /// Segments that the small queue has opened.
    pub(super) small_opened: u64,
    /// Where the last look for a nearly empty one ended.
    pub(super) looked_at: usize,
}

impl Default for Ends {
    fn default() -> Ends {
        Ends { oldest: NOWHERE, newest: NOWHERE }
    }
}

impl Lists {
    pub(super) fn push(&mut self, queue: Queue, segment: u32) {
        let queue = &mut self.queues[queue as usize];
        let before = std::mem::replace(&mut queue.newest, segment);
        self.links[segment as usize] = Link { before, after: NOWHERE };
        match before {
            NOWHERE => queue.oldest = segment,
            before => self.links[before as usize].after = segment,
        }
    }

    pub(super) fn unlink(&mut self, queue: Queue, segment: u32) {
        let Link { before, after } = std::mem::replace(&mut self.links[segment as usize], UNLINKED);
        let queue = &mut self.queues[queue as usize];
        match before {
            NOWHERE => queue.oldest = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            NOWHERE => queue.newest = before,
            after => self.links[after as usize].before = before,
        }
    }

    pub(super) fn queue(&self, queue: Queue) -> impl Iterator<Item = u32> {
        let mut next = self.queues[queue as usize].oldest;
        std::iter::from_fn(move || {
            let segment = (next != NOWHERE).then_some(next)?;
            next = self.links[segment as usize].after;
            Some(segment)
        })
    }
}
