//! How a write is done: its item is appended, then the slot is swapped under the bucket's bit.
//!
//! - *Append first*: room is taken and bytes are copied before the bit is taken, so nobody waits
//!   for a copy. What turns out not to be wanted is dead in the log, and nothing else.
//! - *Judged under the bit*: conditions and the old entry's time, in one step with the swap.
//!
//! What the usual set goes through is inlined into one function: what is handed on in memory is
//! written in words and read again in larger ones, which processors wait for.

use crate::append::{Appended, Kept, Need};
use crate::counters::Count;
use crate::engine::{Engine, HashedKey, Moment};
use crate::entry::{Entry, Exit, Look, Old, Unkept, WriteKind};
use crate::index::Held;
use crate::log::Reservation;
use crate::lookup::BATCH;
use crate::slot::{Location, Slot};
use crate::ttl::{End, NEVER};
use crate::{Condition, Error, SetOptions, SetOutcome, SetTtl, Version, WhenFull};

/// How a swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swap {
    Done,
    ConditionFailed,
    /// The entry is not the one that the write was made for.
    Changed,
}

/// What became of an entry that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swapped {
    /// A slot names it; a live entry of the key went for it, or none.
    Done {
        replaces: bool,
    },
    /// It was stored and evicted at once.
    Unkept,
    Not(Swap),
}

/// What must hold for a swap.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard<'a> {
    Condition(&'a Condition<'a>),
    /// The key's live entry is still this one, or there is still none, and the condition. Not the
    /// entry's place: another of the key may stand there meanwhile, the segment having been recycled.
    Unchanged(Option<Version>, &'a Condition<'a>),
}

impl Engine {
    pub(crate) fn set(
        &self,
        key: &[u8],
        value: &[u8],
        options: &SetOptions<'_>,
    ) -> Result<SetOutcome, Error> {
        self.check_new_key(key)?;
        self.set_hashed(self.hash(key), key, value, options)
    }

    /// Stores many values. Before the first of a stretch is written, the buckets of all of them are
    /// asked for, and then what they replace.
    pub(crate) fn set_multi<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: &[(K, V)],
        options: &SetOptions<'_>,
        mut failed: impl FnMut(usize, Error),
    ) {
        let mut hashes = [0; BATCH];
        let mut at = 0;
        for stretch in entries.chunks(BATCH) {
            for ((key, _), hash) in stretch.iter().zip(&mut hashes) {
                *hash = self.hash(key.as_ref());
                self.index.prefetch_bucket(*hash);
            }
            for &hash in &hashes[..stretch.len()] {
                self.prefetch_old(hash);
            }
            for ((key, value), &hash) in stretch.iter().zip(&hashes) {
                let (key, value) = (key.as_ref(), value.as_ref());
                let checked = self.check_new_key(key);
                if let Err(error) = checked.and_then(|()| self.set_hashed(hash, key, value, options)) {
                    failed(at, error);
                }
                at += 1;
            }
        }
    }

    /// Stores a value under a key that was checked.
    fn set_hashed(
        &self,
        hash: u64,
        key: &[u8],
        value: &[u8],
        options: &SetOptions<'_>,
    ) -> Result<SetOutcome, Error> {
        match self.try_set(HashedKey { hash, bytes: key }, value, options) {
            // Made anew, not handed on.
            Ok(outcome) => {
                self.tidy_if_closed();
                Ok(outcome)
            }
            Err(error) => {
                self.tidy_if_closed();
                Err(error)
            }
        }
    }

    #[inline(always)]
    fn try_set(
        &self,
        key: HashedKey<'_>,
        value: &[u8],
        options: &SetOptions<'_>,
    ) -> Result<SetOutcome, Error> {
        let now = self.moment();
        let guard = Guard::Condition(&options.condition);
        if value.len() > self.max_value_len() {
            return self.refuse_too_large(key, value.len(), guard, &now);
        }
        let end = match &options.ttl {
            SetTtl::Never => End::At(NEVER),
            &SetTtl::After(ttl) => now.end_of(Some(ttl)),
            &SetTtl::Keep { otherwise } => {
                return self.set_keeping(key, value, otherwise, &options.condition);
            }
        };
        let always = matches!(options.condition, Condition::Always);
        if !always && !self.holds_now(key, &options.condition, &now) {
            return self.check_open().map(|()| SetOutcome::ConditionFailed);
        }
        let swap = match end {
            End::AtOnce => {
                self.put_nothing(Unkept { key, kind: WriteKind::Set, exit: Exit::Deleted }, guard, &now)?
            }
            End::At(deadline) => {
                let entry = Entry { key, value, deadline, kind: WriteKind::Set };
                match self.append_if_usual(&entry, &now) {
                    Some(room) => {
                        let (offset, len) = (room.offset(), room.len());
                        let swapped = self.swap(&entry, room.location(), guard, &now)?;
                        let swap = self.ended(&entry, swapped, || room.publish());
                        // Last: nothing is on its way any more that would have to lie in memory.
                        self.pay(offset, len);
                        swap
                    }
                    None => self.put(&entry, &mut Kept::default(), guard, &now)?,
                }
            }
        };
        Ok(if swap == Swap::Done { SetOutcome::Stored } else { SetOutcome::ConditionFailed })
    }

    /// Stores an entry, making room for it. What came of that stays in `kept` if the entry was to
    /// take the place of another that changed meanwhile: making room may move that very one, and
    /// would again.
    #[inline(never)]
    pub(crate) fn put<'a>(
        &'a self,
        entry: &Entry<'_>,
        kept: &mut Kept<Appended<'a>>,
        guard: Guard<'_>,
        now: &Moment<'_>,
    ) -> Result<Swap, Error> {
        if kept.room.is_none() && !kept.refused {
            kept.room = self.room_for(entry, now)?;
            kept.refused = kept.room.is_none();
        }
        self.place(entry, &mut kept.room, guard, now)
    }

    /// Appends an entry as most are, where most are.
    #[inline(always)]
    fn append_if_usual(&self, entry: &Entry<'_>, now: &Moment<'_>) -> Option<Reservation<'_>> {
        (self.when_full == WhenFull::Evict).then(|| self.append_usual(entry, now))?
    }

    /// Appends an entry. `None` if there is no room to be had.
    fn room_for(&self, entry: &Entry<'_>, now: &Moment<'_>) -> Result<Option<Appended<'_>>, Error> {
        if self.when_full == WhenFull::Evict {
            return Ok(self.append(entry, Need::New, now));
        }
        let replaced = self.look(entry.key).old().filter(|old| old.is_live(now)).map_or(0, |old| old.payload);
        let more = entry.payload().saturating_sub(replaced);
        let need = if more == 0 { Need::Overwrite } else { Need::New };
        let room = self.append(entry, need, now);
        if room.is_some() {
            return Ok(room);
        }
        self.sweep()?;
        let fits = more == 0 || self.fits_for_what_went(more);
        Ok(if fits { self.append(entry, Need::Overwrite, now) } else { None })
    }

    /// Puts what was appended in the place of what the key names, or says what becomes of an entry
    /// that there is no room for.
    fn place(
        &self,
        entry: &Entry<'_>,
        room: &mut Option<Appended<'_>>,
        guard: Guard<'_>,
        now: &Moment<'_>,
    ) -> Result<Swap, Error> {
        if let Some(appended) = room {
            let mut swapped = self.swap(entry, appended.location(), guard, now);
            if swapped == Err(Error::Full) {
                self.give_to_index();
                swapped = self.swap(entry, appended.location(), guard, now);
            }
            if swapped == Err(Error::Full) {
                self.counters.add(Count::Rejections, 1);
            }
            return Ok(self.ended(entry, swapped?, || room.take().map_or((), Appended::publish)));
        }
        if self.when_full == WhenFull::Evict {
            // As if it was evicted as soon as it was stored.
            return self.put_nothing(
                Unkept { key: entry.key, kind: entry.kind, exit: Exit::Evicted },
                guard,
                now,
            );
        }
        self.counters.add(Count::Rejections, 1);
        Err(Error::Full)
    }

    /// Says how a swap ended; what was put in its place is published first.
    #[inline(always)]
    fn ended(&self, entry: &Entry<'_>, swapped: Swapped, publish: impl FnOnce()) -> Swap {
        match swapped {
            Swapped::Done { replaces } => {
                publish();
                self.count_stored(entry, replaces);
                Swap::Done
            }
            Swapped::Unkept => Swap::Done,
            Swapped::Not(why) => why,
        }
    }

    /// Has the key name what was appended at this place.
    ///
    /// # Errors
    ///
    /// [`Error::Full`]: its bucket has no slot for it, and nothing may go. [`Error::Closed`].
    #[inline(always)]
    fn swap(
        &self,
        entry: &Entry<'_>,
        location: Location,
        guard: Guard<'_>,
        now: &Moment<'_>,
    ) -> Result<Swapped, Error> {
        let look = self.look_inline(entry.key);
        // *Closed under the bit* (`engine.rs`).
        self.check_open()?;
        let swap = self.judge(guard, look.old(), now);
        if swap != Swap::Done {
            return Ok(Swapped::Not(swap));
        }
        let Look { held, found } = &look;
        let mut replaces = false;
        if let Some((place, old)) = found {
            replaces = old.is_live(now);
            // An overwrite keeps what is known of the key's use.
            let hits = if replaces { place.slot().hits() } else { 0 };
            held.replace(place, place.slot().moved_to(location, hits));
            self.let_go(held, old, Exit::Replaced, now);
        } else {
            let new = self.index.slot(entry.key.hash, location);
            if held.insert(entry.key.hash, new).is_err()
                && !self.insert_crowded(held, entry.key.hash, new, now)?
            {
                drop(look);
                self.count_unkept(entry.kind, Exit::Evicted);
                return Ok(Swapped::Unkept);
            }
        }
        Ok(Swapped::Done { replaces })
    }

    /// Puts an entry into a bucket that has all the slots it can get: one of its entries goes. False
    /// if that was in vain.
    #[cold]
    fn insert_crowded(&self, held: &Held<'_>, hash: u64, new: Slot, now: &Moment<'_>) -> Result<bool, Error> {
        if self.when_full == WhenFull::Reject {
            return Err(Error::Full);
        }
        if let Some(place) = held.crowded_victim() {
            let victim = self.describe(held, place.slot());
            held.remove(place);
            self.let_go(held, &victim, Exit::Evicted, now);
        }
        Ok(held.insert(hash, new).is_ok())
    }

    /// Counts an entry in; one that replaces another brings no key.
    #[inline(always)]
    fn count_stored(&self, entry: &Entry<'_>, replaces: bool) {
        let stripe = self.counters.stripe();
        stripe.add(entry.kind.count(), 1);
        stripe.add(Count::PayloadIn, entry.payload());
        if replaces {
            stripe.add(Count::Replaced, 1);
        } else {
            stripe.key_in();
            self.fit_index();
        }
    }

    #[inline(always)]
    pub(crate) fn judge(&self, guard: Guard<'_>, old: Option<&Old>, now: &Moment<'_>) -> Swap {
        if let Guard::Condition(Condition::Always) = guard {
            return Swap::Done;
        }
        let live = old.filter(|old| old.is_live(now));
        let location = live.map(|old| old.slot.location());
        match guard {
            Guard::Unchanged(expected, _) if location.map(|at| self.version_at(at)) != expected => {
                Swap::Changed
            }
            Guard::Condition(condition) | Guard::Unchanged(_, condition) => {
                if self.holds(condition, location) { Swap::Done } else { Swap::ConditionFailed }
            }
        }
    }

    fn holds(&self, condition: &Condition<'_>, live: Option<Location>) -> bool {
        match condition {
            Condition::Always => true,
            Condition::Absent => live.is_none(),
            Condition::Present => live.is_some(),
            Condition::Version(version) => live.is_some_and(|live| self.version_at(live) == *version),
            Condition::If(holds) => holds(),
        }
    }

    /// Whether a condition holds at this moment: what does not needs no room.
    pub(crate) fn holds_now(&self, key: HashedKey<'_>, condition: &Condition<'_>, now: &Moment<'_>) -> bool {
        let look = self.look(key);
        let holds = self.judge(Guard::Condition(condition), look.old(), now) == Swap::Done;
        if look.old().is_some_and(|old| !old.is_live(now)) {
            self.remove(look, Exit::Deleted, now);
        }
        holds
    }

    /// Does a write whose entry is gone as soon as it is stored, and the old one with it.
    pub(crate) fn put_nothing(
        &self,
        unkept: Unkept<'_>,
        guard: Guard<'_>,
        now: &Moment<'_>,
    ) -> Result<Swap, Error> {
        let Unkept { key, kind, exit } = unkept;
        let look = self.look(key);
        self.check_open()?;
        let swap = self.judge(guard, look.old(), now);
        if swap != Swap::Done {
            return Ok(swap);
        }
        if self.remove(look, exit, now).is_some_and(|old| old.is_live(now)) {
            self.counters.add(kind.count(), 1);
            self.counters.add(Count::Replaced, 1);
        } else {
            self.count_unkept(kind, exit);
        }
        Ok(Swap::Done)
    }

    /// Counts an entry that came and went in one step.
    fn count_unkept(&self, kind: WriteKind, exit: Exit) {
        let stripe = self.counters.stripe();
        stripe.add(kind.count(), 1);
        stripe.add(if exit == Exit::Deleted { Count::Deletes } else { Count::Evictions }, 1);
    }

    /// Removes what the caller meant to replace with something that can never be held.
    fn refuse_too_large(
        &self,
        key: HashedKey<'_>,
        len: usize,
        guard: Guard<'_>,
        now: &Moment<'_>,
    ) -> Result<SetOutcome, Error> {
        let look = self.look(key);
        self.check_open()?;
        if self.judge(guard, look.old(), now) != Swap::Done {
            return Ok(SetOutcome::ConditionFailed);
        }
        self.remove(look, Exit::Deleted, now);
        self.counters.add(Count::Rejections, 1);
        Err(Error::TooLarge { len, max: self.max_value_len() })
    }
}
