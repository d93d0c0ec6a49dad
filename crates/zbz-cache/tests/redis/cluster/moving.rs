//! Slots that move, as an operator's tool moves them: from a cluster that agrees, each step checked;
//! and what was interrupted is mended.
//!
//! A server that takes a slot gives itself a config epoch above all that it knows. Where it does not
//! know them all, as before the links of a restarted server are back, it takes the slot at an epoch
//! below that of the former owner; a message of the former owner, sent before it gave the slot away,
//! then takes the slot back, and each of the two says for ever that the other one has it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use redis::{RedisResult, Value};
use zbz_cache::Ttl;

use super::Cluster;
use super::view::{SLOTS, View, faults, torn, unmet};
use crate::server::{PATIENCE, Server, command, texts, until};

/// A slot on its way, with all that is in it.
pub struct Move {
    pub slot: u16,
    pub from: usize,
    pub to: usize,
}

impl Move {
    /// Begun, the keys carried, and told to three.
    pub const STEPS: usize = 6;

    /// One step, which may be taken again.
    fn take(&self, cluster: &Cluster, step: usize) -> RedisResult<()> {
        let [from, to] = [self.from, self.to].map(|at| &cluster.servers[at]);
        match step {
            0 => set_slot(to, self.slot, "IMPORTING", Some(&from.id()?)),
            1 => set_slot(from, self.slot, "MIGRATING", Some(&to.id()?)),
            2 => carry(from, to, self.slot),
            3 => set_slot(to, self.slot, "NODE", Some(&to.id()?)),
            4 => set_slot(from, self.slot, "NODE", Some(&to.id()?)),
            _ => {
                let is_other = |at: &usize| *at != self.from && *at != self.to;
                let mut others = (0..cluster.servers.len()).filter(is_other).map(|at| &cluster.servers[at]);
                others.try_for_each(|other| set_slot(other, self.slot, "NODE", Some(&to.id()?)))
            }
        }
    }

    /// Steps in their order, each until it has succeeded.
    pub fn walk(&self, cluster: &Cluster, steps: impl Iterator<Item = usize>) {
        for step in steps {
            let begun = Instant::now();
            while let Err(error) = self.take(cluster, step) {
                assert!(begun.elapsed() < PATIENCE, "step {step} of moving slot {}: {error}", self.slot);
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn set_slot(server: &Server, slot: u16, state: &str, id: Option<&str>) -> RedisResult<()> {
    let slot = slot.to_string();
    let words = ["CLUSTER", "SETSLOT", &slot, state];
    server.try_ask(&[&words[..], id.as_slice()].concat())
}

fn keys_in(server: &Server, slot: u16) -> RedisResult<Vec<String>> {
    server.try_ask(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "100"])
}

/// Carries all keys of a slot that is open at both. What the owner still has of a key is what counts.
fn carry(from: &Server, to: &Server, slot: u16) -> RedisResult<()> {
    let (mut connection, port) = (from.try_connection()?, to.port.to_string());
    loop {
        let keys = keys_in(from, slot)?;
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys {
            let words = ["MIGRATE", "127.0.0.1", &port, &key, "0", "5000", "REPLACE"];
            let _: Value = command(&words).query(&mut connection)?;
        }
    }
}

/// Carries what one who is not the owner has of a slot to the owner, whose own keys count.
fn carry_home(from: &Server, owner: &Server, slot: u16) -> RedisResult<()> {
    if keys_in(from, slot)?.is_empty() {
        return Ok(());
    }
    set_slot(from, slot, "IMPORTING", Some(&owner.id()?))?;
    let (mut connection, port) = (from.try_connection()?, owner.port.to_string());
    loop {
        let keys = keys_in(from, slot)?;
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys {
            let carried: RedisResult<Value> =
                command(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]).query(&mut connection);
            match carried {
                Err(error) if error.to_string().contains("BUSYKEY") => {
                    let mut remove = redis::pipe();
                    let _: Value = remove.cmd("ASKING").cmd("DEL").arg(&key).query(&mut connection)?;
                }
                carried => drop(carried?),
            }
        }
    }
}

impl Cluster {
    pub fn views(&self) -> Vec<View> {
        self.servers.iter().map(|server| View::of(server).unwrap()).collect()
    }

    /// What each server says, for people.
    pub fn said(&self) -> String {
        let said = |server: &Server| match server.try_ask::<String>(&["CLUSTER", "NODES"]) {
            Ok(nodes) => format!("{} says:\n{nodes}", server.address()),
            Err(error) => format!("{} does not say: {error}\n", server.address()),
        };
        self.servers.iter().map(said).collect()
    }

    /// Waits until all servers say the same of these slots, and know each other's epochs.
    pub fn wait_until_agreed(&self, slots: Range<u16>) {
        let begun = Instant::now();
        loop {
            let faults = faults(&self.views(), slots.clone());
            if faults.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {faults:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A move of a key's slot from who has it to the next one.
    pub fn plan(&self, key: &str) -> Move {
        let slot: u16 = self.servers[0].ask(&["CLUSTER", "KEYSLOT", key]);
        self.wait_until_agreed(slot..slot + 1);
        let port = self.views()[0].owner(slot);
        let from = self.servers.iter().position(|server| server.port == port).unwrap();
        Move { slot, from, to: (from + 1) % 3 }
    }

    /// Moves a key's slot to the next server.
    pub fn move_slot_of(&self, key: &str) {
        self.plan(key).walk(self, 0..Move::STEPS);
    }

    /// Brings every slot that is open, disputed or nobody's to one owner, of whom all know.
    pub fn mend(&self) {
        let begun = Instant::now();
        loop {
            let views = self.views();
            let mut left = unmet(&views);
            if left.is_empty() {
                let torn = torn(&views, SLOTS);
                if torn.is_empty() {
                    return;
                }
                let mended = torn.iter().map(|&slot| (slot, self.bring_home(&views, slot)));
                left = mended.map(|(slot, answer)| format!("slot {slot}: {answer:?}")).collect();
            }
            assert!(begun.elapsed() < PATIENCE, "not mended within {PATIENCE:?}: {left:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn bring_home(&self, views: &[View], slot: u16) -> RedisResult<()> {
        // Of those who claim it, the one at the highest epoch; else who has most of its keys.
        let mut best = None;
        for (at, (server, view)) in self.servers.iter().zip(views).enumerate() {
            let keys: u64 = server.try_ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()])?;
            let claim = if view.owner(slot) == view.port { view.epoch() } else { 0 };
            if view.is_primary() {
                best = best.max(Some((claim, keys, at)));
            }
        }
        let owner = &self.servers[best.unwrap().2];
        let id = owner.id()?;
        set_slot(owner, slot, "STABLE", None)?;
        set_slot(owner, slot, "NODE", Some(&id))?;
        let _: Value = owner.try_ask(&["CLUSTER", "BUMPEPOCH"])?;
        for (other, view) in self.servers.iter().zip(views) {
            if other.port != owner.port && view.is_primary() {
                carry_home(other, owner, slot)?;
                set_slot(other, slot, "STABLE", None)?;
                set_slot(other, slot, "NODE", Some(&id))?;
            }
        }
        Ok(())
    }
}

/// Begins to move the slot of `key` from its owner to another server; the owner and the slot.
pub fn begin_move(cluster: &Cluster, key: &str, to: usize) -> (usize, String) {
    let Move { slot, from, .. } = cluster.plan(key);
    Move { slot, from, to }.walk(cluster, 0..2);
    (from, slot.to_string())
}

/// Ends it, whatever is left of the slot at its old owner.
pub fn end_move(cluster: &Cluster, to: usize, slot: &str) {
    let id = cluster.servers[to].id().unwrap();
    let others = (0..cluster.servers.len()).filter(|&at| at != to);
    for server in [to].into_iter().chain(others).map(|at| &cluster.servers[at]) {
        // One that holds keys refuses until it has heard of the new owner, and has dropped them.
        until("the slot is given away", || set_slot(server, slot.parse().unwrap(), "NODE", Some(&id)).ok());
    }
}

/// Keys in many slots of each server.
fn filled(cluster: &Cluster) -> Vec<String> {
    let cache = texts("m", &cluster.provider());
    let names: Vec<String> = (0..60).map(|name| name.to_string()).collect();
    cache.set_multi(names.iter().map(|name| (name, name.clone())), Ttl::Never).unwrap();
    names
}

/// That each of these keys which a server still has is on one, and found there; how many.
fn found(cluster: &Cluster, names: &[String]) -> usize {
    let keys = |server: &Server| server.ask::<Vec<String>>(&["KEYS", "m:*"]);
    let held: Vec<String> = cluster.servers.iter().flat_map(keys).collect();
    let unique: BTreeSet<&String> = held.iter().collect();
    assert_eq!(held.len(), unique.len(), "each key is on one server");
    let read = texts("m", &cluster.provider()).get_multi(names).unwrap();
    assert_eq!(read.len(), held.len(), "what is held is found");
    read.len()
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn moves_that_are_interrupted_at_every_step_are_mended() {
    let mut cluster = Cluster::start();
    for victim in 0..3 {
        let names = filled(&cluster);
        for (name, steps) in names.iter().take(20).zip((1..Move::STEPS).cycle()) {
            cluster.plan(&format!("m:{name}")).walk(&cluster, 0..steps);
        }
        cluster.servers[victim].kill();
        cluster.servers[victim].restart();
        cluster.mend();
        cluster.wait_until_whole();
        let found = found(&cluster, &names);
        assert!(found >= names.len() / 3, "only what the victim had is lost: {found}");
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn slots_that_are_torn_are_told_and_mended() {
    let cluster = Cluster::start();
    let names = filled(&cluster);
    let [a, b, c] = [0, 1, 2].map(|at| &cluster.servers[at]);
    let [_, b_id, c_id] = [a, b, c].map(|server| server.id().unwrap());
    // Slots without keys of the first server.
    let is_free = |slot: &u16| keys_in(a, *slot).unwrap().is_empty();
    let free: Vec<u16> = (0..5000).filter(is_free).take(4).collect();
    // Each of two says that the other one has it.
    set_slot(a, free[0], "NODE", Some(&b_id)).unwrap();
    // Nobody has it.
    for server in [a, b, c] {
        server.tell(&["CLUSTER", "DELSLOTS", &free[1].to_string()]);
    }
    // It moves on one side only, and to two servers.
    set_slot(a, free[2], "MIGRATING", Some(&b_id)).unwrap();
    set_slot(c, free[3], "IMPORTING", Some(&b_id)).unwrap();
    set_slot(a, free[3], "MIGRATING", Some(&c_id)).unwrap();
    let told = faults(&cluster.views(), SLOTS);
    for slot in &free {
        assert!(told.iter().any(|line| line.starts_with(&format!("slot {slot}: "))), "{slot}: {told:?}");
    }
    let port = b.port;
    assert!(told[0].contains(&format!("{} says it is at {port}", a.port)), "{told:?}");
    cluster.mend();
    cluster.wait_until_whole();
    assert_eq!(found(&cluster, &names), names.len(), "nothing is lost");
}
