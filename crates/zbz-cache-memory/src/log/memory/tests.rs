//! Index, log and hazard pointers together, as a first-in-first-out cache of a few tiny segments:
//! everything is recycled all the time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use super::*;
use crate::base::budget::Budget;
use crate::base::hazard;
use crate::index::{Index, Probe};
use crate::log::drain::Draining;
use crate::log::item::Kind;
use crate::log::segment::{Opening, Phase};

const SEGMENTS: usize = 6;
const SEGMENT_BITS: u32 = 9;
const SEGMENT_BYTES: u32 = 1 << SEGMENT_BITS;
const OPENING: Opening = Opening { place: 0, start: 0, opened: 0, generation: 1, base: 0 };

struct Fifo {
    index: Index,
    log: Log,
    open: AtomicUsize,
    /// Sealed segments, oldest first. The holder of the lock changes which segment is open.
    sealed: Mutex<VecDeque<usize>>,
    limbo: Mutex<Vec<usize>>,
}

fn hash(key: u64) -> u64 {
    (key ^ key << 29).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// A value that tells its key and its round, and whether it is whole.
fn value(key: u64, round: u64) -> Vec<u8> {
    let len = (hash(key ^ round) % 120) as usize;
    let mut value: Vec<u8> = [key, round].iter().flat_map(|number| number.to_le_bytes()).collect();
    value.extend((0..len).map(|at| (hash(key.wrapping_add(round)) as usize + at) as u8));
    value
}

/// The round of a value; panics if it is not one of this key.
fn check(key: u64, bytes: &[u8]) -> u64 {
    let round = u64::from_le_bytes(bytes[8..16].try_into().unwrap());
    assert_eq!(bytes, value(key, round), "a torn or strange value");
    round
}

impl Fifo {
    fn new(cache: u64) -> Fifo {
        let log = Log::new(SEGMENTS, SEGMENT_BITS, cache).unwrap();
        assert!((0..SEGMENTS).all(|segment| log.segment(segment).provide(SEGMENT_BYTES)));
        assert!(log.segment(0).open(OPENING));
        Fifo {
            index: Index::new(0, 64, Arc::new(Budget::new(1 << 30))).unwrap(),
            log,
            open: AtomicUsize::new(0),
            sealed: Mutex::default(),
            limbo: Mutex::default(),
        }
    }

    fn get(&self, key: u64) -> Option<u64> {
        let found = self.index.find(hash(key), |word, slot| {
            hazard::reading(|reading| match self.log.read(reading, word, slot) {
                None => Probe::Changed,
                Some(item) if item.key() != key.to_le_bytes() => Probe::Other,
                Some(item) => {
                    if key.is_multiple_of(7) {
                        std::thread::yield_now();
                    }
                    Probe::Answer(check(key, item.value()))
                }
            })
        });
        found.unwrap_or_else(|_| {
            let locked = self.index.lock(hash(key));
            let is_key = |slot| self.log.read_locked(&locked, slot).key() == key.to_le_bytes();
            let slot = locked.find(hash(key), is_key)?.slot();
            Some(check(key, self.log.read_locked(&locked, slot).value()))
        })
    }

    fn set(&self, key: u64, round: u64) {
        let (key_bytes, value) = (key.to_le_bytes(), value(key, round));
        let content = Content {
            key: &key_bytes,
            value: &value,
            deadline: round.is_multiple_of(3).then_some(round),
            is_chunk_header: false,
        };
        let layout = Layout::of(&content, Some(OPENING.base)).unwrap();
        let mut room = self.reserve(layout.len());
        room.write(&layout, &content);
        let new = self.index.slot(hash(key), room.location());
        let locked = self.index.lock(hash(key));
        let is_key = |slot| self.log.read_locked(&locked, slot).key() == key_bytes;
        match locked.find(hash(key), is_key) {
            Some(place) => locked.replace(&place, new),
            None => assert!(locked.insert(hash(key), new).is_ok()),
        }
        drop(locked);
        room.publish();
    }

    fn reserve(&self, len: usize) -> Reservation<'_> {
        loop {
            if let Ok(room) = self.log.reserve(self.open.load(Ordering::Acquire), len) {
                return room;
            }
            self.open_another(len);
        }
    }

    fn open_another(&self, len: usize) {
        let mut sealed = self.sealed.lock().unwrap();
        let now = self.open.load(Ordering::Relaxed);
        if let Ok(unused) = self.log.reserve(now, len) {
            // Another thread was faster; what was reserved here becomes a filler.
            drop(unused);
            return;
        }
        let segment = |segment| self.log.segment(segment);
        if segment(now).seal() {
            sealed.push_back(now);
        }
        let free = (0..SEGMENTS).position(|at| segment(at).phase() == Phase::Free);
        match free {
            Some(free) => {
                assert!(segment(free).open(OPENING));
                self.open.store(free, Ordering::Release);
            }
            None => self.recycle(&mut sealed),
        }
    }

    fn recycle(&self, sealed: &mut VecDeque<usize>) {
        if let Some(oldest) = sealed.pop_front() {
            match self.log.begin_drain(oldest) {
                Some(draining) => self.drain(draining),
                None => sealed.push_back(oldest),
            }
        }
        let mut limbo = self.limbo.lock().unwrap();
        let mut protected = Vec::new();
        hazard::PROCESS.protected(&mut protected);
        limbo.retain(|&segment| {
            let is_read = protected.binary_search(&self.log.hazard_pointer(segment)).is_ok();
            if !is_read {
                assert!(self.log.segment(segment).release());
                if segment % 2 == 0 {
                    assert!(self.log.give_back(segment) && self.log.segment(segment).provide(SEGMENT_BYTES));
                }
            }
            is_read
        });
    }

    fn drain(&self, draining: Draining) {
        let mut offset = 0;
        while let Some((item, location, next)) = self.log.item_at(&draining, offset) {
            offset = next;
            if item.kind() == Kind::Filler {
                continue;
            }
            let key = u64::from_le_bytes(item.key().try_into().unwrap());
            let locked = self.index.lock(hash(key));
            if let Some(place) = locked.find_location(hash(key), location) {
                locked.remove(place);
            }
        }
        self.limbo.lock().unwrap().push(self.log.end_drain(draining));
    }
}

#[test]
fn items_are_read_in_place_until_their_segment_is_recycled() {
    let fifo = Fifo::new(1 << 33);
    for round in 0..400_u64 {
        for key in 0..5 {
            fifo.set(key, round);
            assert_eq!(fifo.get(key), Some(round));
        }
    }
    assert_eq!(fifo.get(99), None);
    for key in 100..200 {
        fifo.set(key, 1);
    }
    assert!((0..5).all(|key| fifo.get(key).is_none()), "all that is old has gone");
}

#[test]
fn a_copy_in_another_segment_is_the_same_item() {
    let fifo = Fifo::new((1 << 33) + 4);
    assert!(fifo.log.segment(1).open(Opening { base: 1 << 38, ..OPENING }));
    fifo.set(3, 192);
    let locked = fifo.index.lock(hash(3));
    let place = locked.find(hash(3), |_| true).unwrap();
    let item = fifo.log.read_locked(&locked, place.slot());
    assert_eq!(item.deadline(), Some(192));
    let content = item.content();
    let layout = Layout::of(&content, Some(1 << 38)).unwrap();
    assert_eq!(layout.len(), item.bytes().len() + 1, "three units after a base, and far from the other");
    let mut room = fifo.log.reserve(1, layout.len()).unwrap();
    room.write(&layout, &content);
    locked.replace(&place, place.slot().moved_to(room.location(), 0));
    room.publish();
    let copy = fifo.log.read_locked(&locked, place.slot());
    assert_eq!((copy.key(), copy.value(), copy.deadline()), (item.key(), item.value(), item.deadline()));
    assert!(copy.bytes().as_ptr() != item.bytes().as_ptr());
    drop(locked);
    assert_eq!(fifo.get(3), Some(192));
}

#[test]
fn room_that_was_not_used_is_walked_over() {
    let fifo = Fifo::new((1 << 33) + 5);
    drop(fifo.log.reserve(0, 33).unwrap());
    fifo.set(3, 3);
    drop(fifo.log.reserve(0, 5).unwrap());
    assert!(fifo.log.segment(0).seal());
    let draining = fifo.log.begin_drain(0).unwrap();
    assert!(fifo.log.begin_drain(0).is_none());
    let mut walked = Vec::new();
    let mut offset = 0;
    while let Some((item, _, next)) = fifo.log.item_at(&draining, offset) {
        walked.push((item.kind() == Kind::Filler, item.bytes().len()));
        offset = next;
    }
    let len = 4 + 7 + 8 + value(3, 3).len();
    assert_eq!(walked, [(true, 33), (false, len), (true, 5)]);
}

#[test]
fn what_was_recycled_before_it_was_announced_is_not_read() {
    let fifo = Fifo::new((1 << 33) + 2);
    fifo.set(1, 1);
    let found = fifo.index.find(hash(1), |word, slot| {
        // In the window between a reader's look at the slot and its hazard_pointer.
        (100..200).for_each(|key| fifo.set(key, 1));
        hazard::reading(|reading| match fifo.log.read(reading, word, slot) {
            None => Probe::Changed,
            Some(item) => Probe::Answer(item.bytes().to_vec()),
        })
    });
    assert_eq!(found, Ok(None));
}

#[test]
fn what_is_announced_is_not_recycled() {
    let fifo = Fifo::new((1 << 33) + 3);
    fifo.set(1, 1);
    let found = fifo.index.find(hash(1), |word, slot| {
        hazard::reading(|reading| {
            let item = fifo.log.read(reading, word, slot).unwrap();
            let before = item.bytes().to_vec();
            (100..200).for_each(|key| fifo.set(key, 1));
            Probe::Answer(item.bytes() == before)
        })
    });
    assert_eq!(found, Ok(Some(true)));
    assert_eq!(fifo.get(1), None, "it was evicted meanwhile");
}

#[test]
fn no_reader_sees_a_torn_value_while_every_segment_is_recycled_all_the_time() {
    let fifo = Fifo::new((1 << 33) + 1);
    let stop = AtomicBool::new(false);
    let rounds = if cfg!(debug_assertions) { 300 } else { 3000 };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let fifo = &fifo;
                scope.spawn(move || {
                    for round in 0..rounds {
                        for key in 0..24 {
                            fifo.set(key * 2 + writer, round);
                        }
                    }
                })
            })
            .collect();
        for reader in 0..2_u64 {
            let (fifo, stop) = (&fifo, &stop);
            scope.spawn(move || {
                let mut last = [0; 48];
                while !stop.load(Ordering::Relaxed) {
                    for key in 0..48 {
                        if let Some(round) = fifo.get((key + reader * 11) % 48) {
                            let last = &mut last[((key + reader * 11) % 48) as usize];
                            assert!(round >= *last, "an older value came back");
                            *last = round;
                        }
                    }
                }
            });
        }
        scope.spawn(|| {
            // A reader that stays: it keeps one segment, and no thread waits for it.
            while !stop.load(Ordering::Relaxed) {
                let _ = fifo.index.find(hash(7), |word, slot| {
                    hazard::reading(|reading| {
                        let item = fifo.log.read(reading, word, slot);
                        let before = item.map(|item| item.bytes().to_vec());
                        (0..50).for_each(|_| std::thread::yield_now());
                        assert_eq!(
                            item.map(|item| item.bytes().to_vec()),
                            before,
                            "written while it was read"
                        );
                        Probe::Answer(())
                    })
                });
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop.store(true, Ordering::Relaxed);
    });
}
