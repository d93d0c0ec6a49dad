//! What each server says of its cluster, and where what two of them say differs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use redis::RedisResult;

use crate::server::Server;

/// All slots.
pub const SLOTS: Range<u16> = 0..16384;

/// What one server says. Servers are known by their ports, since all are on one machine.
pub struct View {
    pub port: u16,
    nodes: BTreeMap<u16, Node>,
    /// Which server has each slot; 0 for none.
    owners: Vec<u16>,
    /// The slots that it is giving away or taking.
    open: Vec<u16>,
}

struct Node {
    is_primary: bool,
    is_linked: bool,
    epoch: u64,
}

impl View {
    pub fn of(server: &Server) -> RedisResult<View> {
        let said: String = server.try_ask(&["CLUSTER", "NODES"])?;
        let owners = vec![0; SLOTS.len()];
        let mut view = View { port: server.port, nodes: BTreeMap::new(), owners, open: Vec::new() };
        said.lines().for_each(|line| view.read(line));
        Ok(view)
    }

    /// A line: the id, the address, flags, the primary, two times, the config epoch, the link, slots.
    fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, address, flags, _, _, _, epoch, link, slots @ ..] = words.as_slice() else {
            panic!("{line}")
        };
        let port = address.split_once(':').and_then(|(_, rest)| rest.split_once('@')).unwrap().0;
        let port: u16 = port.parse().unwrap();
        // A server that is being met shows beside the one it turns out to be.
        let is_linked =
            *link == "connected" && !["fail", "handshake"].iter().any(|flag| flags.contains(flag));
        let node = Node { is_primary: flags.contains("master"), is_linked, epoch: epoch.parse().unwrap() };
        match self.nodes.entry(port) {
            Entry::Vacant(free) => drop(free.insert(node)),
            Entry::Occupied(mut taken) => taken.get_mut().is_linked = false,
        }
        for range in slots {
            if let Some(open) = range.strip_prefix('[') {
                self.open.push(open.split('-').next().unwrap().parse().unwrap());
                continue;
            }
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            self.owners[first..=last].fill(port);
        }
    }

    /// The port of the server that has a slot; 0 for none.
    pub fn owner(&self, slot: u16) -> u16 {
        self.owners[usize::from(slot)]
    }

    fn own(&self) -> &Node {
        &self.nodes[&self.port]
    }

    pub fn is_primary(&self) -> bool {
        self.own().is_primary
    }

    pub fn epoch(&self) -> u64 {
        self.own().epoch
    }
}

/// What the servers do not know of each other yet: links, config epochs. Of two claims to a slot the
/// one at the higher epoch is right, so who takes a slot has to know everyone's.
pub fn unmet(views: &[View]) -> Vec<String> {
    let mut unmet = Vec::new();
    for view in views {
        let own = view.port;
        for other in views {
            let epoch = other.epoch();
            match view.nodes.get(&other.port) {
                None => unmet.push(format!("{own} does not know {}", other.port)),
                Some(node) if !node.is_linked => unmet.push(format!("{own} has no link to {}", other.port)),
                Some(node) if node.is_primary && node.epoch != epoch => unmet.push(format!(
                    "{own} takes {} to be at epoch {}, it is at {epoch}",
                    other.port, node.epoch
                )),
                Some(_) => {}
            }
            let is_same = own < other.port && view.epoch() == epoch;
            if is_same && view.is_primary() && other.is_primary() {
                unmet.push(format!("{own} and {} are both at epoch {epoch}", other.port));
            }
        }
    }
    unmet
}

/// Those of these slots which nobody has, of which two servers say different things, or whose move has
/// not ended.
pub fn torn(views: &[View], slots: Range<u16>) -> Vec<u16> {
    let is_torn = |slot: &u16| {
        let owner = views[0].owner(*slot);
        owner == 0 || views.iter().any(|view| view.owner(*slot) != owner || view.open.contains(slot))
    };
    slots.filter(is_torn).collect()
}

/// What keeps the servers from being one cluster as to these slots, for people; nothing where they are.
pub fn faults(views: &[View], slots: Range<u16>) -> Vec<String> {
    let says = |view: &View, slot: u16| {
        let open = if view.open.contains(&slot) { " and moves" } else { "" };
        format!("{} says it is at {}{open}", view.port, view.owner(slot))
    };
    let told = |slot: &u16| {
        let said: Vec<String> = views.iter().map(|view| says(view, *slot)).collect();
        format!("slot {slot}: {}", said.join(", "))
    };
    let mut faults = unmet(views);
    faults.extend(torn(views, slots).iter().take(10).map(told));
    faults
}
