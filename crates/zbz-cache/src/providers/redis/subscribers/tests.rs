//! In tests that prove a session alive the clock stands still, or moves by hand: a machine that
//! holds the test up is not a sink that is held up.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use super::*;

/// What one subscriber was told, in words.
type Told = Arc<Mutex<Vec<String>>>;

fn join(subscribers: &Arc<Subscribers>, prefix: &str) -> (Told, Subscription, Option<Watchdog>) {
    let told = Told::default();
    let tell = Arc::clone(&told);
    let sink: InvalidationSink = Arc::new(move |invalidation| {
        let words = match invalidation {
            Invalidation::Key(key) => String::from_utf8(key.to_vec()).unwrap(),
            Invalidation::Alive(_) => "Alive".to_owned(),
            other => format!("{other:?}"),
        };
        tell.lock().unwrap().push(words);
    });
    let (subscription, watchdog) = subscribers.join(prefix.as_bytes().to_vec(), sink);
    (told, subscription, watchdog)
}

fn told(told: &Told) -> Vec<String> {
    std::mem::take(&mut told.lock().unwrap())
}

fn subscribers(own: &str) -> Arc<Subscribers> {
    Arc::new(Subscribers::new(own.as_bytes()))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn keys(keys: &[&str]) -> Push {
    Push::Keys(keys.iter().map(|key| key.as_bytes().to_vec()).collect())
}

/// Moves the clock on from where nothing can be awaited.
fn advance(span: Duration) {
    // It has moved at the first poll; what is left is to let others run.
    let _ = pin!(tokio::time::advance(span)).poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn everybody_is_told_the_keys_under_the_own_prefix_as_callers_know_them() {
    let subscribers = subscribers("app:");
    let (all, _all, _) = join(&subscribers, "app:");
    let (some, _some, _) = join(&subscribers, "app:a");
    subscribers.hear(keys(&["app:b", "other", "app:a1", "app:a"]));
    subscribers.hear(Push::All);
    assert_eq!(told(&all), ["b", "a1", "a", "All"]);
    assert_eq!(told(&some), ["a1", "a", "All"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_lost_once_and_is_not_alive_after_that() {
    let subscribers = subscribers("");
    let (one, _one, _watchdog) = join(&subscribers, "");
    let (session, _) = subscribers.begin();
    subscribers.lost(session);
    assert!(told(&one).is_empty(), "it was never alive");
    let (session, _) = subscribers.begin();
    assert!(subscribers.alive(session, subscribers.heard(), soon()));
    subscribers.lost(session);
    subscribers.map_changed();
    assert!(!subscribers.is_whole(session) && !subscribers.alive(session, subscribers.heard(), soon()));
    assert_eq!(told(&one), ["Alive", "Lost"]);
    let (next, _) = subscribers.begin();
    subscribers.lost(session);
    assert!(subscribers.is_whole(next), "the loss of an old one is none of it");
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_good_for_those_who_were_there_when_it_was_asked_for() {
    let subscribers = subscribers("");
    let (early, _early, _watchdog) = join(&subscribers, "a");
    let (session, _) = subscribers.begin();
    let asked = subscribers.heard();
    let (late, _late, _) = join(&subscribers, "b");
    subscribers.alive(session, asked, soon());
    assert_eq!((told(&early).len(), told(&late).len()), (1, 0));
    subscribers.lost(session);
    assert_eq!((told(&early), told(&late)), (vec!["Lost".to_owned()], Vec::new()));
    let (session, _) = subscribers.begin();
    subscribers.alive(session, subscribers.heard(), Instant::now());
    assert!(told(&early).is_empty(), "its time is over already");
}

#[tokio::test(start_paused = true)]
async fn a_server_aside_is_a_loss_unless_it_is_heard_and_the_next_session_has_it() {
    let subscribers = subscribers("");
    let (one, _one, _) = join(&subscribers, "");
    let [known, aside] = ["a:1", "b:2"].map(|address| Address::parse(address).unwrap());
    let (session, none) = subscribers.begin();
    assert!(none.is_empty());
    subscribers.reaches(session, &known);
    subscribers.alive(session, subscribers.heard(), soon());
    subscribers.asked_aside(&known);
    assert_eq!(told(&one), ["Alive"]);
    subscribers.asked_aside(&aside);
    assert_eq!(told(&one), ["Lost"]);
    assert_eq!(subscribers.begin().1, [aside]);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_watchdog_and_the_session_goes_with_it() {
    let subscribers = subscribers("");
    let (one, _one, watchdog) = join(&subscribers, "");
    let (_, _other, none) = join(&subscribers, "");
    let watchdog = watchdog.expect("the first needs one");
    assert!(none.is_none());
    let (session, _) = subscribers.begin();
    subscribers.alive(session, subscribers.heard(), soon());
    drop(watchdog);
    assert_eq!(told(&one), ["Alive", "Lost"]);
    let (_, _third, watchdog) = join(&subscribers, "");
    assert!(watchdog.is_some(), "and the next needs another one");
    drop(watchdog);
    subscribers.close();
    assert!(join(&subscribers, "").2.is_none(), "closed is closed");
}

#[test]
fn a_sink_may_leave_join_and_panic_within_its_call() {
    let subscribers = subscribers("");
    let own: Arc<Mutex<Option<Subscription>>> = Arc::default();
    let (slot, inner) = (Arc::clone(&own), Arc::clone(&subscribers));
    let calls = Arc::new(Mutex::new(0));
    let count = Arc::clone(&calls);
    let leaves: InvalidationSink = Arc::new(move |_| {
        *count.lock().unwrap() += 1;
        // Called after this, by the thread that is calling.
        inner.hear(Push::All);
        slot.lock().unwrap().take();
    });
    *own.lock().unwrap() = Some(subscribers.join(Vec::new(), leaves).0);
    let (_panics, _) = subscribers.join(Vec::new(), Arc::new(|_| panic!("a sink of the test's")));
    let (after, _after, _) = join(&subscribers, "");
    subscribers.hear(keys(&["k"]));
    subscribers.hear(keys(&["l"]));
    assert_eq!(*calls.lock().unwrap(), 1);
    assert_eq!(told(&after), ["k", "All", "l"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_was_held_up_does_not_believe_a_proof_for_longer() {
    let subscribers = Arc::new(Subscribers::new(b""));
    let told = Arc::new(Mutex::new(Vec::new()));
    let (tells, held_up) = (Arc::clone(&told), AtomicBool::new(true));
    let sink: InvalidationSink = Arc::new(move |invalidation| {
        if held_up.swap(false, Ordering::Relaxed) {
            advance(2 * MOST_LATE);
        }
        tells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(matches!(invalidation, Invalidation::Alive(_)));
    });
    let (_subscription, _watchdog) = subscribers.join(b"t:".to_vec(), sink);
    let (session, _) = subscribers.begin();
    for _ in 0..2 {
        let until = Instant::now() + Duration::from_secs(60);
        assert!(subscribers.alive(session, subscribers.heard(), until));
    }
    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*told, [true, false, true], "alive, lost, and alive again");
}
