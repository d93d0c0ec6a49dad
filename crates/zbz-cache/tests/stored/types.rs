//! The types that are stored in these tests.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Host {
    Ip(IpAddr),
    Name(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub(super) enum Endpoint {
    Tcp { at: SocketAddr },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) ip: IpAddr,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub(super) enum Peers {
    All { ips: Vec<Ipv4Addr> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Listen {
    At(SocketAddrV6),
    No(bool),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Maybe {
    #[serde(flatten)]
    pub(super) place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Labels {
    pub(super) id: u8,
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub(super) enum Event {
    Custom(BTreeMap<String, u8>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Text(String),
    Wide(u128),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Skipping {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) a: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) b: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    #[serde(flatten)]
    pub(super) by_year: BTreeMap<u16, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Unit;

/// Its first variant reads what the second one wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Measure {
    Float(f64),
    Count(i64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Nested(pub(super) Vec<Nested>);

pub(super) fn nested(depth: usize) -> Nested {
    (1..depth).fold(Nested(vec![]), |inner, _| Nested(vec![inner]))
}
