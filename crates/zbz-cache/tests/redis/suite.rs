//! The conformance suite, unchanged, on one server and on a cluster.

use zbz_cache::conformance::{Harness, Setup, check};
use zbz_cache::{new_provider, options};

use crate::cluster::Cluster;
use crate::server::{Server, provider};

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn one_server_keeps_the_contract() {
    let server = Server::start();
    let address = server.address();
    check(&Harness::new(move |setup| match setup {
        Setup::Default => Some(provider(&address)),
        _ => None,
    }));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn one_server_keeps_the_contract_under_a_prefix_and_in_another_database() {
    let server = Server::start();
    let address = format!("{}/7", server.address());
    check(&Harness::new(move |setup| match setup {
        Setup::Default => {
            let options = options! { "address" => &address, "key_prefix" => "app [*]\\{1}:" };
            Some(new_provider("redis", options).unwrap())
        }
        _ => None,
    }));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_cluster_keeps_the_contract() {
    let cluster = Cluster::start();
    let address = cluster.address();
    check(&Harness::new(move |setup| match setup {
        Setup::Default => Some(new_provider("redis+cluster", options! { "address" => &address }).unwrap()),
        _ => None,
    }));
}
