//! The row on pushed changes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::ground::{Ground, Row, Verdict, put_always, row, stored};
use crate::provider::{Invalidation, InvalidationSink};

pub(super) const ROWS: &[Row] = &[row("a subscriber is told of every change under its prefix", told)];

/// How long a link may take to be made or to tell.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a sink was told, kept for the row's thread.
#[derive(Debug, PartialEq)]
enum Told {
    Key(Vec<u8>),
    All,
    Alive,
}

fn told(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let provider = &**handle.provider();
    let (sender, receiver) = channel();
    let sink: InvalidationSink = Arc::new(move |invalidation| {
        // Nobody listens any more once the row is over.
        let _ = match invalidation {
            Invalidation::Key(key) => sender.send(Told::Key(key.to_vec())),
            Invalidation::All => sender.send(Told::All),
            Invalidation::Alive(_) => sender.send(Told::Alive),
            Invalidation::Lost => Ok(()),
        };
    });
    let prefix = stored(&ground.space, "");
    let subscription = provider.invalidations(&prefix, sink);
    if !provider.capabilities().invalidations {
        assert!(subscription.is_none(), "not declared, so there is no subscription");
        return Err("not declared, and there is none");
    }
    let subscription = subscription.expect("declared, so there is a subscription");
    wait_for(&receiver, |told| *told == Told::Alive);
    let key = stored(&ground.space, "k");
    let of_key = |told: &Told| *told == Told::All || *told == Told::Key(key.clone());
    put_always(provider, &key, b"1");
    wait_for(&receiver, of_key);
    put_always(provider, &key, b"2");
    wait_for(&receiver, of_key);
    assert!(provider.delete(&key).wait().expect("delete"));
    wait_for(&receiver, of_key);
    drop(subscription);
    put_always(provider, &key, b"3");
    Ok(())
}

fn wait_for(receiver: &Receiver<Told>, due: impl Fn(&Told) -> bool) {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(told) if due(&told) => return,
            Ok(_) => {}
            Err(_) => panic!("the subscriber was not told within {PATIENCE:?}"),
        }
    }
}
