//! A queue of segments: items are appended to the newest, walked and dropped or copied forward from the
//! oldest.
//!
//! A segment remembers what its queue had taken in when it was opened, so an item's distance from the end of
//! the queue is one subtraction, and the eviction clock of that moment, so the age of the queue's tail is
//! another. No item ever leaves from the middle: a dead one stays a hole until the walk passes it.

use std::collections::VecDeque;

/// An appended entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// The hashed key.
    pub(super) key: u64,
    /// Entries or bytes taken.
    pub(super) cost: u64,
    /// When it expires.
    pub(super) deadline_ms: u64,
    /// Hits counted since it was appended.
    pub(super) hits: u8,
    /// Not deleted or expired.
    live: bool,
    /// What its queue had taken in before it.
    at: u64,
}

impl Item {
    /// A new item without hits.
    pub(super) fn new(key: u64, cost: u64, deadline_ms: u64) -> Self {
        Item { key, cost, deadline_ms, hits: 0, live: true, at: 0 }
    }

    /// The same item with so many hits.
    pub(super) fn with_hits(self, hits: u8) -> Self {
        Item { hits, ..self }
    }
}

/// Where an item is in its queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    segment: u64,
    item: u32,
}

/// A run of items appended one after the other.
struct Segment {
    items: Vec<Item>,
    /// Cost of all its items, dead or alive.
    used: u64,
    /// Cost of those alive.
    live: u64,
    /// Ordinary segments it takes the room of: more than one for an item larger than a segment.
    span: u64,
    /// The eviction clock when it was opened.
    opened: u64,
    /// Items the walk has passed.
    walked: usize,
}

/// Segments in order of opening; the last one is open.
pub(super) struct Queue {
    segments: VecDeque<Segment>,
    segment_size: u64,
    /// Number of the first segment.
    first: u64,
    /// Cost of all items ever appended.
    taken: u64,
    /// Cost of the live items.
    live: u64,
    /// Ordinary segments' room taken.
    spans: u64,
    /// Emptied lists of recycled segments.
    spare: Vec<Vec<Item>>,
}

impl Queue {
    /// An empty queue of segments of that size.
    pub(super) fn new(segment_size: u64) -> Self {
        Queue {
            segments: VecDeque::new(),
            segment_size,
            first: 0,
            taken: 0,
            live: 0,
            spans: 0,
            spare: Vec::new(),
        }
    }

    /// Cost of the live items.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// Segments taken, the open one included.
    pub(super) fn spans(&self) -> u64 {
        self.spans
    }

    /// Segments that appending such an item would open.
    pub(super) fn opens(&self, cost: u64) -> u64 {
        let fits = self.segments.back().is_some_and(|open| open.used + cost <= self.segment_size);
        if fits { 0 } else { cost.div_ceil(self.segment_size).max(1) }
    }

    /// The eviction clock when the oldest segment was opened.
    pub(super) fn tail_opened(&self) -> Option<u64> {
        self.segments.front().map(|segment| segment.opened)
    }

    /// Appends, opening a segment if the item does not fit the open one.
    pub(super) fn append(&mut self, item: Item, clock: u64) -> Place {
        let span = self.opens(item.cost);
        if span > 0 {
            let items =
                self.spare.pop().unwrap_or_else(|| Vec::with_capacity(self.segment_size.min(16) as usize));
            self.segments.push_back(Segment { items, used: 0, live: 0, span, opened: clock, walked: 0 });
            self.spans += span;
        }
        let segment = self.first + self.segments.len() as u64 - 1;
        let mut place = Place { segment, item: 0 };
        if let Some(open) = self.segments.back_mut() {
            place.item = open.items.len() as u32;
            open.used += item.cost;
            open.live += item.cost;
            open.items.push(Item { at: self.taken, ..item });
        }
        self.taken += item.cost;
        self.live += item.cost;
        place
    }

    /// The item at a place.
    pub(super) fn item_mut(&mut self, place: Place) -> Option<&mut Item> {
        let segment = place.segment.checked_sub(self.first)?;
        self.segments.get_mut(segment as usize)?.items.get_mut(place.item as usize)
    }

    /// Cost of all items appended since the one at this place.
    pub(super) fn appended_since(&mut self, place: Place) -> u64 {
        let taken = self.taken;
        self.item_mut(place).map_or(0, |item| taken - item.at - item.cost)
    }

    /// Makes the item at a place a hole.
    pub(super) fn kill(&mut self, place: Place) {
        if let Some(item) = self.item_mut(place)
            && item.live
        {
            item.live = false;
            let cost = item.cost;
            self.live -= cost;
            self.segments[(place.segment - self.first) as usize].live -= cost;
        }
    }

    /// What lives in the segment that has the least of it, neither the open one nor the one being walked, and which one
    /// that is.
    pub(super) fn emptiest(&self) -> Option<(u64, usize)> {
        let between = 1..self.segments.len().saturating_sub(1);
        let full = between.filter(|&at| self.segments[at].span > 0);
        full.map(|at| (self.segments[at].live, at)).min()
    }

    /// Moves the live items out of a segment, which is a hole from then on that takes no room.
    pub(super) fn clean(&mut self, at: usize) -> Vec<Item> {
        let Some(segment) = self.segments.get_mut(at) else { return Vec::new() };
        self.live -= segment.live;
        self.spans -= segment.span;
        (segment.live, segment.span) = (0, 0);
        let alive = segment.items.iter().filter(|item| item.live).copied().collect();
        segment.items.iter_mut().for_each(|item| item.live = false);
        alive
    }

    /// Walks to the next live item of the oldest segment and takes it out; a segment walked to its end is
    /// recycled.
    pub(super) fn walk(&mut self) -> Option<Item> {
        loop {
            let tail = self.segments.front_mut()?;
            while let Some(&item) = tail.items.get(tail.walked) {
                tail.walked += 1;
                if item.live {
                    tail.live -= item.cost;
                    self.live -= item.cost;
                    return Some(item);
                }
            }
            self.recycle();
        }
    }

    /// Recycles the oldest segment if its walk is over.
    pub(super) fn recycle_walked(&mut self) {
        if self.segments.front().is_some_and(|tail| tail.walked == tail.items.len()) {
            self.recycle();
        }
    }

    fn recycle(&mut self) {
        if let Some(mut tail) = self.segments.pop_front() {
            self.first += 1;
            self.spans -= tail.span;
            tail.items.clear();
            self.spare.push(tail.items);
        }
    }
}
