//! Rounds of trouble, each made of a seed and its number alone, so that one can be run again.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::{alone, program};

/// Numbers that look random, the same for the same seed.
pub struct Lot(Cell<u64>);

impl Lot {
    /// One of its own for each sequence of numbers.
    pub fn of(numbers: &[u64]) -> Lot {
        let mixed = numbers.iter().fold(0, |state: u64, number| {
            let state = (state ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
            (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        });
        Lot(Cell::new(mixed))
    }

    pub fn draw(&self, below: usize) -> usize {
        let next =
            self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.set(next);
        (next >> 33) as usize % below
    }

    pub fn draw_ms(&self, below: usize) -> Duration {
        Duration::from_millis(self.draw(below) as u64)
    }
}

pub struct Round {
    pub seed: u64,
    pub number: u64,
    pub lot: Lot,
    begun: Instant,
    trouble: RefCell<Vec<String>>,
}

impl Round {
    fn new(seed: u64, number: u64) -> Round {
        let lot = Lot::of(&[seed, number]);
        Round { seed, number, lot, begun: Instant::now(), trouble: RefCell::default() }
    }

    /// One of so many kinds of trouble: each in its turn, then what is drawn.
    pub fn kinds(&self, count: usize) -> [usize; 3] {
        [self.number as usize % count, self.lot.draw(count), self.lot.draw(count)]
    }

    /// Keeps what trouble was made, to be told if the round fails.
    pub fn note(&self, what: impl Display) {
        let at = self.begun.elapsed().as_millis();
        self.trouble.borrow_mut().push(format!("{at:6} ms: {what}"));
    }
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}; give it a whole number")))
}

/// The line that runs a round again, and those after it for as long as it says.
fn command_line(test: &str, round: &Round) -> String {
    let (only, server) = (test.rsplit("::").next().unwrap(), program());
    format!(
        "make coherence ONLY={only} SEED={} ROUND={} MINUTES=1 REDIS_SERVER={server}",
        round.seed, round.number
    )
}

/// Rounds for as long as it was asked for, from the one that was asked for; how many copies each
/// judged is added up. `servers` says what there is to say of the servers when one fails.
pub fn rounds(servers: impl Fn() -> String, mut run: impl FnMut(&Round) -> u64) {
    let whole = Duration::from_secs(variable("COHERENCE_SECONDS").unwrap_or(20));
    let seed = variable("SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let first = variable("ROUND").unwrap_or(0);
    println!("SEED={seed}");
    let (begun, mut judged, mut count) = (Instant::now(), 0, 0);
    // Two tests share the time.
    while begun.elapsed() < whole / 2 || count < 3 {
        let round = Round::new(seed, first + count);
        judged += catch_unwind(AssertUnwindSafe(|| run(&round))).unwrap_or_else(|failure| {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            println!("{test} failed in round {} of seed {seed}. Its trouble:", round.number);
            round.trouble.borrow().iter().for_each(|line| println!("{line}"));
            println!("{}\nTo run it again: {}", servers(), command_line(&test, &round));
            resume_unwind(failure)
        });
        count += 1;
    }
    println!("{count} rounds, {judged} copies judged, in {:?}", begun.elapsed());
    assert!(judged > 0, "no copy was near when it was judged");
}

#[test]
#[ignore = "run by a_round_that_fails_says_how_to_run_it_again: make test-redis"]
fn failing_alone() {
    if !alone() {
        return;
    }
    let run = |round: &Round| {
        round.note(format_args!("drew {:?} and {}", round.kinds(5), round.lot.draw(1_000_000)));
        assert!(round.number < 2, "the third fails");
        1
    };
    rounds(|| "what the servers say".to_owned(), run);
}

/// What the rounds that fail alone say, from one of them on.
fn said_from(first: &str) -> String {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["coherence::rounds::failing_alone", "--exact", "--ignored", "--nocapture"]);
    process.env("TEST_ALONE", "1").env("SEED", "22795").env("ROUND", first).env("REDIS_SERVER", "a/server");
    let ended = process.output().unwrap();
    assert!(!ended.status.success());
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn a_round_that_fails_says_how_to_run_it_again() {
    let [all, again] = ["0", "2"].map(said_from);
    for part in [
        "coherence::rounds::failing_alone failed in round 2 of seed 22795.",
        "what the servers say",
        "make coherence ONLY=failing_alone SEED=22795 ROUND=2 MINUTES=1 REDIS_SERVER=a/server\n",
    ] {
        assert!(all.contains(part) && again.contains(part), "{part}: {all}");
    }
    let drawn =
        |said: &str| said.lines().find_map(|line| Some(line.split_once("drew ")?.1.to_owned())).unwrap();
    assert_eq!(drawn(&all), drawn(&again), "round 2 is the same wherever it begins");
}
