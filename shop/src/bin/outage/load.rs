//! The callers: each asks for a product of its choice, waits for the answer, pauses, and asks again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shop::store::p99;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub const CALLERS: u64 = 16;

/// The pause of a caller, so that the load is bounded.
const PAUSE: Duration = Duration::from_millis(4);

/// Callers that go on until this is dropped.
pub struct Load {
    seen: Arc<Mutex<Seen>>,
    is_running: watch::Sender<bool>,
    _callers: JoinSet<()>,
}

struct Seen {
    since: Instant,
    answers: Vec<Answer>,
    failures: BTreeSet<String>,
}

struct Answer {
    at: Duration,
    took: Duration,
    is_hit: bool,
    is_failed: bool,
}

/// What the callers met since the last look.
pub struct Outcome {
    pub requests: usize,
    pub failed: usize,
    /// Of the requests that began after the first second, or of all if there are none.
    pub p99: Duration,
    pub first_hit: Option<Duration>,
    /// Words of some failures, each once.
    pub failures: Vec<String>,
}

impl Load {
    pub fn begin(shop: SocketAddr) -> Load {
        let seen = Seen { since: Instant::now(), answers: Vec::new(), failures: BTreeSet::new() };
        let seen = Arc::new(Mutex::new(seen));
        let (is_running, runs) = watch::channel(false);
        let client = reqwest::Client::new();
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            callers.spawn(call(shop, caller, client.clone(), Arc::clone(&seen), runs.clone()));
        }
        Load { seen, is_running, _callers: callers }
    }

    /// Lets the callers ask for a while.
    pub async fn run_for(&self, span: Duration) {
        self.is_running.send_replace(true);
        tokio::time::sleep(span).await;
        self.is_running.send_replace(false);
    }

    /// What was met since the last call, whose clock begins anew.
    pub fn take(&self) -> Outcome {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = std::mem::take(&mut seen.answers);
        let failures = std::mem::take(&mut seen.failures).into_iter().take(3).collect();
        seen.since = Instant::now();
        drop(seen);
        let later = |answer: &&Answer| answer.at >= Duration::from_secs(1);
        let mut times: Vec<_> = answers.iter().filter(later).map(|answer| answer.took).collect();
        if times.is_empty() {
            times = answers.iter().map(|answer| answer.took).collect();
        }
        Outcome {
            requests: answers.len(),
            failed: answers.iter().filter(|answer| answer.is_failed).count(),
            p99: p99(&mut times),
            first_hit: answers.iter().filter(|answer| answer.is_hit).map(|answer| answer.at).min(),
            failures,
        }
    }
}

async fn call(
    shop: SocketAddr,
    caller: u64,
    client: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
    mut runs: watch::Receiver<bool>,
) {
    let mut random = caller.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while runs.wait_for(|runs| *runs).await.is_ok() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = 1 + (random >> 33) % super::KEYS as u64;
        let begun = Instant::now();
        let answer = client.get(format!("http://{shop}/products/{id}")).send().await;
        let took = begun.elapsed();
        let (failure, is_hit) = match answer {
            Ok(answer) if answer.status().is_success() => {
                let hit = answer.headers().get("x-cache").is_some_and(|origin| origin == "Hit");
                let body = answer.text().await.unwrap_or_default();
                let is_right = body.contains(&format!("\"id\":{id},"));
                (if is_right { None } else { Some(format!("another product: {body}")) }, hit)
            }
            Ok(answer) => (Some(answer.text().await.unwrap_or_default()), false),
            Err(error) => (Some(error.to_string()), false),
        };
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let at = begun.saturating_duration_since(seen.since);
            // One that began before the last look belongs to what was looked at then.
            if begun >= seen.since {
                let is_failed = failure.is_some();
                seen.failures.extend(failure);
                seen.answers.push(Answer { at, took, is_hit, is_failed });
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
