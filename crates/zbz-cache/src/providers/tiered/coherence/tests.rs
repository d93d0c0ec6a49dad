//! Every interleaving of a small world around the state machine: readers that fill, one that is
//! served, a writer of this tier, writers elsewhere, pushes on their way, a link that dies in
//! silence, is told of, and comes back. The same with each guard switched off, which must fail.

use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

use super::*;

const KEYS: usize = 2;
const READERS: usize = 2;

/// How long a proof is good for.
const SPAN: u64 = 2;

/// What is left out, or done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    FillsAnyway,
    PushDoesNotRevoke,
    PushDoesNotDelete,
    PushDeletesFirst,
    FlushRevokesNothing,
    WriteBeginsUnseen,
    WriteEndsUnseen,
    LossIsIgnored,
    LateProofGoesOn,
    ProofNeverEnds,
    ServesByALaterProof,
    JoinsAnyway,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CopyNear {
    version: u8,
    stamp: Stamp,
    /// How many own writes of the key had begun when its token was taken.
    begun: u8,
}

#[derive(Debug, Clone, Copy)]
struct Read {
    key: usize,
    token: Option<Token>,
    begun: u8,
    /// What the far side answered.
    version: Option<u8>,
}

/// A near read, half-way.
#[derive(Debug, Clone, Copy)]
struct Serving {
    key: usize,
    copy: CopyNear,
    /// Whether it was right to serve it when it was found.
    was_right: bool,
    live_until: Option<u64>,
    epoch_is_same: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Write {
    Counted,
    Deleted,
    /// On its way.
    Sent,
    /// Done, not acknowledged yet.
    Done(u8),
    /// Over for the caller, who may not know what became of it.
    Ended(Option<u8>),
    EndCounted(Option<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Push {
    Key(usize, u8),
    Flush([u8; KEYS]),
    /// A proof that was asked for at that time, and what the link was made over, if it is the first.
    Proof(u64, Option<[u8; KEYS]>),
}

#[derive(Debug)]
struct World {
    fault: Fault,
    /// How many of the keys are written and read.
    keys: usize,
    coherence: Coherence,
    copies: [Option<CopyNear>; KEYS],
    far: [u8; KEYS],
    now: u64,
    /// Pushes are told; `false` from when it is dead, which nobody knows yet.
    is_up: bool,
    /// The tier was told of the loss, and of no proof since.
    is_lost: bool,
    queue: VecDeque<Push>,
    /// A push half taken.
    taking: Option<(usize, u8)>,
    proven: u64,
    reads: [Option<Read>; READERS],
    serving: Option<Serving>,
    write: Option<(usize, Write)>,
    /// Given up by its caller, and still on its way.
    loose: Option<usize>,
    begun: [u8; KEYS],
    /// Nothing older may be served: what was pushed, acknowledged, or read over a new link.
    floor: [u8; KEYS],
}

const SPACE: Space = Space(0);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Read(usize, usize),
    Answer(usize),
    Fill(usize),
    Find(usize),
    Serve,
    Write(usize),
    GoOn,
    GiveUp,
    Land,
    WriteElsewhere(usize),
    Flush,
    Take,
    Die,
    TellLoss,
    Reconnect,
    Ping,
    Tick,
}

impl Clone for World {
    fn clone(&self) -> World {
        let coherence = Coherence::sized(self.coherence.gates.len(), self.coherence.stripes.len());
        let copy =
            |from: &AtomicU64, to: &AtomicU64| to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        for (from, to) in self.coherence.gates.iter().zip(&coherence.gates) {
            copy(&from.epoch, &to.epoch);
            copy(&from.live_until, &to.live_until);
        }
        for (from, to) in self.coherence.stripes.iter().zip(&coherence.stripes) {
            copy(from, to);
        }
        World { coherence, queue: self.queue.clone(), ..*self }
    }
}

impl World {
    /// Just proven; `near` has a copy of the first key.
    fn new(fault: Fault, near: bool, (keys, stripes): (usize, usize)) -> World {
        let coherence = Coherence::sized(1, stripes);
        coherence.prove(SPACE, 0, SPAN);
        let mut world = World {
            fault,
            keys,
            coherence,
            copies: [None; KEYS],
            far: [1; KEYS],
            now: 0,
            is_up: true,
            is_lost: false,
            queue: VecDeque::new(),
            taking: None,
            proven: 0,
            reads: [None; READERS],
            serving: None,
            write: None,
            loose: None,
            begun: [0; KEYS],
            floor: [0; KEYS],
        };
        if near {
            world.copies[0] = Some(CopyNear { version: 1, stamp: world.epoch(), begun: 0 });
        }
        world
    }

    fn epoch(&self) -> Stamp {
        Stamp(self.coherence.gates[0].epoch.load(Ordering::Relaxed))
    }

    fn live_until(&self) -> u64 {
        self.coherence.gates[0].live_until.load(Ordering::Relaxed)
    }

    fn is_good(&self, token: &Token) -> bool {
        self.fault == Fault::FillsAnyway || self.coherence.is_good(token)
    }

    fn serves(&self, copy: &CopyNear) -> bool {
        self.now < self.coherence.serves_until(copy.stamp)
    }

    fn revoke(&self, key: usize) {
        self.coherence.revoke(key as u64);
    }

    fn change(&mut self, key: usize) {
        self.far[key] += 1;
        if self.is_up {
            self.queue.push_back(Push::Key(key, self.far[key]));
        }
    }

    /// Why a copy must not be served at this moment, if so.
    fn wrong(&self, key: usize, copy: &CopyNear) -> Option<&'static str> {
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

    fn check(&self) -> Result<(), &'static str> {
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

    /// What may happen next.
    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Tick];
        for (number, read) in self.reads.iter().enumerate() {
            match read {
                // Of readers that do nothing one is as good as another.
                None if self.reads[..number].iter().all(Option::is_some) => {
                    steps.extend((0..self.keys).map(|key| Step::Read(number, key)));
                }
                None => {}
                Some(Read { version: None, .. }) => steps.push(Step::Answer(number)),
                Some(_) => steps.push(Step::Fill(number)),
            }
        }
        match (&self.serving, &self.copies[0]) {
            (Some(_), _) => steps.push(Step::Serve),
            (None, Some(_)) => steps.push(Step::Find(0)),
            (None, None) => {}
        }
        match self.write {
            None => steps.push(Step::Write(0)),
            Some((_, Write::Sent)) => {
                steps.extend([Step::GoOn, Step::Land]);
                if self.loose.is_none() {
                    steps.push(Step::GiveUp);
                }
            }
            Some(_) => steps.push(Step::GoOn),
        }
        if self.loose.is_some() {
            steps.push(Step::Land);
        }
        steps.extend((0..self.keys).map(Step::WriteElsewhere));
        steps.push(Step::Flush);
        if self.taking.is_some() || !self.queue.is_empty() {
            steps.push(Step::Take);
        }
        match (self.is_up, self.is_lost) {
            (true, false) => steps.extend([Step::Die, Step::TellLoss, Step::Ping]),
            (true, true) => steps.push(Step::Die),
            (false, false) => steps.push(Step::TellLoss),
            (false, true) => steps.push(Step::Reconnect),
        }
        steps
    }

    fn take_step(&mut self, step: Step) -> Result<(), &'static str> {
        match step {
            Step::Tick => self.now += 1,
            Step::Read(number, key) => {
                let token = self.coherence.take_token(SPACE, key as u64, self.now);
                self.reads[number] = Some(Read { key, token, begun: self.begun[key], version: None });
            }
            Step::Answer(number) => {
                if let Some(read) = &mut self.reads[number] {
                    read.version = Some(self.far[read.key]);
                }
            }
            Step::Fill(number) => {
                let Some(Read { key, token: Some(token), begun, version: Some(version) }) =
                    self.reads[number].take()
                else {
                    return Ok(());
                };
                if self.is_good(&token) {
                    self.copies[key] = Some(CopyNear { version, stamp: token.stamp, begun });
                }
            }
            Step::Find(key) => {
                if let Some(copy) = self.copies[key] {
                    let was_right = self.wrong(key, &copy).is_none();
                    let (live_until, epoch_is_same) = (None, None);
                    self.serving = Some(Serving { key, copy, was_right, live_until, epoch_is_same });
                }
            }
            Step::Serve => return self.serve(),
            Step::Write(key) => {
                if self.fault != Fault::WriteBeginsUnseen {
                    self.revoke(key);
                }
                self.begun[key] += 1;
                self.write = Some((key, Write::Counted));
            }
            Step::GoOn => self.write_on(),
            Step::GiveUp => {
                if let Some((key, _)) = self.write {
                    self.loose = Some(key);
                    self.write = Some((key, Write::Ended(None)));
                }
            }
            Step::Land => match (self.loose.take(), self.write) {
                (Some(key), _) => self.change(key),
                (None, Some((key, Write::Sent))) => {
                    self.change(key);
                    self.write = Some((key, Write::Done(self.far[key])));
                }
                _ => {}
            },
            Step::WriteElsewhere(key) => self.change(key),
            Step::Flush => {
                self.far = self.far.map(|version| version + 1);
                if self.is_up {
                    self.queue.push_back(Push::Flush(self.far));
                }
            }
            Step::Take => self.take_push(),
            Step::Die => self.die(),
            Step::TellLoss => {
                self.die();
                self.tell_loss();
            }
            Step::Reconnect => {
                self.is_up = true;
                self.queue.push_back(Push::Proof(self.now, Some(self.far)));
            }
            Step::Ping => self.queue.push_back(Push::Proof(self.now, None)),
        }
        Ok(())
    }

    fn die(&mut self) {
        self.is_up = false;
        self.queue.clear();
        if let Some((key, _)) = self.taking.take() {
            // What was told half is told whole.
            self.copies[key] = None;
        }
    }

    fn tell_loss(&mut self) {
        if self.fault != Fault::LossIsIgnored {
            self.coherence.lose(SPACE);
        }
        self.is_lost = true;
    }

    fn write_on(&mut self) {
        let Some((key, write)) = self.write else { return };
        let (begins, ends) = (self.fault != Fault::WriteBeginsUnseen, self.fault != Fault::WriteEndsUnseen);
        self.write = Some((
            key,
            match write {
                Write::Counted => {
                    if begins {
                        self.copies[key] = None;
                    }
                    Write::Deleted
                }
                Write::Deleted => Write::Sent,
                // Refused, or timed out on its way.
                Write::Sent => Write::Ended(None),
                Write::Done(version) => Write::Ended(Some(version)),
                Write::Ended(version) => {
                    if ends {
                        self.revoke(key);
                    }
                    Write::EndCounted(version)
                }
                Write::EndCounted(version) => {
                    if ends {
                        self.copies[key] = None;
                    }
                    self.floor[key] = self.floor[key].max(version.unwrap_or(0));
                    self.write = None;
                    return;
                }
            },
        ));
    }

    fn take_push(&mut self) {
        let (counts, deletes, swapped) = match self.fault {
            Fault::PushDoesNotRevoke => (false, true, false),
            Fault::PushDoesNotDelete => (true, false, false),
            Fault::PushDeletesFirst => (true, true, true),
            _ => (true, true, false),
        };
        if let Some((key, version)) = self.taking.take() {
            if swapped {
                self.revoke(key);
            } else if deletes {
                self.copies[key] = None;
            }
            self.floor[key] = self.floor[key].max(version);
            return;
        }
        match self.queue.pop_front() {
            Some(Push::Key(key, version)) => {
                if swapped {
                    self.copies[key] = None;
                } else if counts {
                    self.revoke(key);
                }
                self.taking = Some((key, version));
            }
            Some(Push::Flush(versions)) => {
                if self.fault != Fault::FlushRevokesNothing {
                    self.coherence.revoke_all(SPACE);
                }
                self.raise(versions);
            }
            Some(Push::Proof(asked, over)) => {
                let until = if self.fault == Fault::ProofNeverEnds { u64::MAX } else { asked + SPAN };
                match self.fault {
                    Fault::LateProofGoesOn => {
                        self.coherence.gates[0].live_until.store(until, Ordering::Relaxed);
                    }
                    _ => self.coherence.prove(SPACE, self.now, until),
                }
                self.proven = asked;
                if let Some(versions) = over {
                    self.is_lost = false;
                    self.raise(versions);
                }
            }
            None => {}
        }
    }

    fn raise(&mut self, versions: [u8; KEYS]) {
        for (floor, version) in self.floor.iter_mut().zip(versions) {
            *floor = (*floor).max(version);
        }
    }

    /// One more step of the near read: `live_until`, the epoch, the time.
    fn serve(&mut self) -> Result<(), &'static str> {
        let Some(mut serving) = self.serving.take() else { return Ok(()) };
        let epoch_is_same = self.epoch() == serving.copy.stamp;
        let swapped = self.fault == Fault::ServesByALaterProof;
        match (serving.live_until, serving.epoch_is_same) {
            (None, None) if swapped => serving.epoch_is_same = Some(epoch_is_same),
            (None, _) => serving.live_until = Some(self.live_until()),
            (Some(_), None) => serving.epoch_is_same = Some(epoch_is_same),
            (Some(live_until), Some(is_same)) => {
                let is_served = is_same && self.now < live_until;
                return match is_served && !serving.was_right {
                    true => Err("served what was wrong when it was found"),
                    false => Ok(()),
                };
            }
        }
        self.serving = Some(serving);
        Ok(())
    }

    /// All that decides what can come, with what only grows taken relative to itself.
    fn signature(&self) -> Vec<u8> {
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

/// Goes through every world that is at most so many steps away. How many there are, or the steps to
/// one that is wrong.
fn explore(fault: Fault, depth: usize, sizes: (usize, usize)) -> Result<usize, String> {
    let hasher = foldhash::quality::FixedState::default();
    let mut seen = HashSet::new();
    // Where each world came from, by number.
    let mut ways: Vec<Option<(usize, Step)>> = vec![None, None];
    let mut worlds: Vec<(World, usize)> =
        vec![(World::new(fault, false, sizes), 0), (World::new(fault, true, sizes), 1)];
    for left in (0..depth).rev() {
        let mut next = Vec::new();
        for (world, number) in worlds {
            for step in world.steps() {
                let mut after = world.clone();
                if let Err(wrong) = after.take_step(step).and_then(|()| after.check()) {
                    let mut way = vec![step];
                    let mut at = number;
                    while let Some((from, step)) = ways[at] {
                        way.insert(0, step);
                        at = from;
                    }
                    return Err(format!("{wrong}: {way:?}"));
                }
                if seen.insert(hasher.hash_one(after.signature())) && left > 0 {
                    next.push((after, ways.len()));
                    ways.push(Some((number, step)));
                }
            }
        }
        worlds = next;
    }
    Ok(seen.len())
}

/// Steps that are gone through; without optimisation fewer, for time.
const DEPTH: usize = if cfg!(debug_assertions) { 8 } else { 10 };

#[test]
fn no_interleaving_serves_what_was_revoked() {
    let begun = std::time::Instant::now();
    let worlds = explore(Fault::None, DEPTH, (1, 2)).unwrap_or_else(|way| panic!("{way}"));
    println!("{worlds} worlds within {DEPTH} steps, {:?}", begun.elapsed());
}

#[test]
fn nor_where_keys_share_a_stripe() {
    explore(Fault::None, DEPTH - 2, (2, 1)).unwrap_or_else(|way| panic!("{way}"));
}

#[test]
fn without_any_one_of_its_guards_some_interleaving_does() {
    for fault in [
        Fault::FillsAnyway,
        Fault::PushDoesNotRevoke,
        Fault::PushDoesNotDelete,
        Fault::PushDeletesFirst,
        Fault::FlushRevokesNothing,
        Fault::WriteBeginsUnseen,
        Fault::WriteEndsUnseen,
        Fault::LossIsIgnored,
        Fault::LateProofGoesOn,
        Fault::ProofNeverEnds,
        Fault::ServesByALaterProof,
        Fault::JoinsAnyway,
    ] {
        let way = explore(fault, 10, (1, 2)).expect_err(&format!("{fault:?} changed nothing"));
        println!("{fault:?}: {way}");
    }
}
