//! Memory in front of Redis: the conformance suite, unchanged, and what is promised of a tier.

use zbz_cache::conformance::{Harness, Setup, check};
use zbz_cache::{Options, ProviderHandle, new_provider, options};

use crate::cluster::Cluster;
use crate::server::Server;

/// A tier over a server, or over a cluster by some of its servers.
pub fn tier(address: &str, options: Options) -> ProviderHandle {
    let far = if address.contains(',') { "redis+cluster" } else { "redis" };
    new_provider("tiered", options.with("far", far).with("far.address", address)).unwrap()
}

fn keeps_the_contract(address: String) {
    check(&Harness::new(move |setup| match setup {
        Setup::Default => Some(tier(&address, options! {})),
        _ => None,
    }));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_tier_over_one_server_keeps_the_contract() {
    let server = Server::start();
    keeps_the_contract(server.address());
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_tier_over_a_cluster_keeps_the_contract() {
    let cluster = Cluster::start();
    keeps_the_contract(cluster.address());
}
