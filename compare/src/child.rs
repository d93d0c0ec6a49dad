//! Measurements of memory in a process of their own.
//!
//! The parent starts this program again with a hidden subcommand and one job as JSON; the child answers with one
//! line of JSON. The requests of a trace come through the child's standard input as four-byte numbers, so that the
//! child never parses, and never frees, anything a contestant's heap could then reuse.

use crate::contestants;
use crate::data::KEY_BYTES;
use crate::per_key;
use crate::racer::{Requests, Tally};
use crate::resident::resident_bytes;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "child";

/// What a child is asked to do.
#[derive(Serialize, Deserialize, Debug)]
pub enum Job {
    /// Fill a contestant and see how far the process grows.
    PerKey {
        /// Whose keys.
        contestant: String,
        /// How many it should hold.
        keys: u32,
        /// The limit in the contestant's own unit.
        limit: u64,
    },
    /// Replay the requests on standard input.
    Replay(Replay),
}

/// A replay of requests at a given limit.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Replay {
    /// The contestant that replays.
    pub contestant: String,
    /// The limit in the contestant's own unit.
    pub limit: u64,
    /// Bytes of every value.
    pub value_bytes: usize,
    /// Requests on standard input.
    pub requests: usize,
    /// Copies laid side by side.
    pub copies: u32,
    /// Distinct objects of one copy.
    pub distinct: u32,
}

/// What a child answers.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default)]
pub struct Answer {
    /// Bytes by which it grew; of a replay the largest of several samples.
    pub resident_bytes: u64,
    /// Keys present at the end, if counted.
    pub live: u64,
    /// Writes that returned an error.
    pub refused: u64,
    /// Hits in percent.
    pub hit_percent: f64,
    /// Answers that did not belong to their keys.
    pub wrong: u64,
}

const SAMPLES: usize = 16;
const PATIENCE: Duration = Duration::from_secs(900);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Starts a child on `job`, gives it `requests`, and waits for its answer.
///
/// # Errors
///
/// When it cannot be started, fails, takes too long, or answers something else.
pub fn ask(job: &Job, requests: &[u32]) -> Result<Answer, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program's own file: {error}"))?;
    let job_text = serde_json::to_string(job).map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args([SUBCOMMAND, &job_text])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("a child process could not be started: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        let bytes: Vec<u8> = requests.iter().flat_map(|id| id.to_le_bytes()).collect();
        // A child that fails early closes the pipe; its own message follows.
        drop(stdin.write_all(&bytes));
    }
    let started = Instant::now();
    // An answer fits into the pipe, so the child never waits for it to be read.
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if started.elapsed() > PATIENCE {
            drop(child.kill());
            drop(child.wait());
            return Err(format!("the child process had no answer after {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the child process failed: {}", message.trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the child's answer: {error}"))
}

/// Does a job in this process and gives the answer as JSON.
///
/// # Errors
///
/// When the job cannot be read or done.
pub fn work(job_text: &str) -> Result<String, String> {
    let answer = match serde_json::from_str(job_text).map_err(|error| error.to_string())? {
        Job::PerKey { contestant, keys, limit } => {
            per_key::fill(contestants::find(&contestant).ok_or("no such contestant")?, keys, limit)?
        }
        Job::Replay(replay) => run_replay(&replay)?,
    };
    serde_json::to_string(&answer).map_err(|error| error.to_string())
}

fn run_replay(replay: &Replay) -> Result<Answer, String> {
    let card = contestants::find(&replay.contestant).ok_or("no such contestant")?;
    let ids = read_ids(replay.requests)?;
    resident_bytes()?;
    let before = resident_bytes()?;
    let entry_bytes = (KEY_BYTES + replay.value_bytes) as u64;
    let mut capacity = card.capacity_for(1, entry_bytes);
    capacity.limit = replay.limit;
    let racer = (card.build)(capacity)?;
    let mut sum = Tally::default();
    let mut most = 0;
    for part in ids.chunks(ids.len().div_ceil(SAMPLES).max(1)) {
        sum += racer.replay(Requests {
            ids: part,
            copies: replay.copies,
            distinct: replay.distinct,
            value_bytes: replay.value_bytes,
        });
        most = most.max(resident_bytes()?);
    }
    Ok(Answer {
        resident_bytes: most.saturating_sub(before),
        hit_percent: 100.0 * sum.hit_share(),
        wrong: sum.wrong,
        refused: sum.refused,
        ..Answer::default()
    })
}

/// Reads numbers into memory that is allocated once.
fn read_ids(count: usize) -> Result<Vec<u32>, String> {
    let mut ids = vec![0u32; count];
    let mut input = std::io::stdin().lock();
    let mut bytes = [0u8; 4096];
    for part in ids.chunks_mut(bytes.len() / 4) {
        let bytes = &mut bytes[..part.len() * 4];
        input.read_exact(bytes).map_err(|error| format!("requests on standard input: {error}"))?;
        for (id, word) in part.iter_mut().zip(bytes.chunks_exact(4)) {
            *id = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        }
    }
    Ok(ids)
}
