//! Every interleaving of a small world around the state machine: readers that fill, one that is
//! served, a writer of this tier, writers elsewhere, pushes on their way, a link that dies in
//! silence, is told of, and comes back. Each guard is then switched off, and the check must fail.

use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

use super::*;

mod check;
mod signature;
mod steps;

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
        let coherence = Coherence::sized(self.coherence.liveness.len(), self.coherence.stripes.len());
        let copy =
            |from: &AtomicU64, to: &AtomicU64| to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        for (from, to) in self.coherence.liveness.iter().zip(&coherence.liveness) {
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
        Stamp(self.coherence.liveness[0].epoch.load(Ordering::Relaxed))
    }

    fn live_until(&self) -> u64 {
        self.coherence.liveness[0].live_until.load(Ordering::Relaxed)
    }

    fn is_good(&self, token: &Token) -> bool {
        self.fault == Fault::FillsAnyway || self.coherence.is_good(token)
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
