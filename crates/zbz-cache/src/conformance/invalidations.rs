//! The case about pushed changes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::fixture::{Case, Fixture, Verdict, case, put_always, stored};
use crate::provider::{Invalidation, InvalidationSink};

pub(super) const CASES: &[Case] = &[case("a subscriber receives every change under its prefix", told)];

/// The longest wait for the subscription's connection, or for a change.
const PATIENCE: Duration = Duration::from_secs(10);

/// An invalidation that a sink received, for the case's thread.
#[derive(Debug, PartialEq)]
enum Told {
    Key(Vec<u8>),
    All,
    Alive,
}

fn told(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    let (sender, receiver) = channel();
    let sink: InvalidationSink = Arc::new(move |invalidation| {
        // The receiver is gone once the case has ended.
        let _ = match invalidation {
            Invalidation::Key(key) => sender.send(Told::Key(key.to_vec())),
            Invalidation::All => sender.send(Told::All),
            Invalidation::Alive(_) => sender.send(Told::Alive),
            Invalidation::Lost => Ok(()),
        };
    });
    let prefix = stored(&fixture.namespace, "");
    let subscription = provider.invalidations(&prefix, sink);
    if !provider.capabilities().invalidations {
        assert!(subscription.is_none(), "pushes are not declared, so there must be no subscription");
        return Err("not declared; there is no subscription");
    }
    let subscription = subscription.expect("pushes are declared, so there must be a subscription");
    wait_for(&receiver, |told| *told == Told::Alive);
    let key = stored(&fixture.namespace, "k");
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
            Err(_) => panic!("the subscriber received no change within {PATIENCE:?}"),
        }
    }
}
