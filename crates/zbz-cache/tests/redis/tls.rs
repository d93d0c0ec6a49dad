//! TLS, with certificates that the tests make.

use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use zbz_cache::{Contract, ErrorKind, Options, Ttl, new_provider, new_provider_from_url, options};

use crate::server::{Folder, Server, alone, ask_alone, is_without_tls, provider_with, texts};

/// The files of one authority, one server and one client.
struct Files {
    folder: Folder,
    ca: String,
    other_ca: String,
    cert: String,
    key: String,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "the tests' own authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Files {
    fn new(server_name: &str) -> Files {
        Files::valid(server_name, 1975, 4096)
    }

    /// The server's certificate is good from one year's first day to another one's.
    fn valid(server_name: &str, from: i32, to: i32) -> Files {
        let (ca, other) = (authority(), authority());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![server_name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let cert = params.signed_by(&key, &ca).unwrap();
        let folder = Folder::new();
        Files {
            ca: folder.file("ca.pem", &ca.pem()),
            other_ca: folder.file("other.pem", &other.pem()),
            cert: folder.file("cert.pem", &cert.pem()),
            key: folder.file("key.pem", &key.serialize_pem()),
            folder,
        }
    }

    fn serve(&self, more: &[&str]) -> Server {
        let tls = ["--port", "0", "--tls-port", "{port}", "--tls-ca-cert-file", &self.ca];
        let own = ["--tls-cert-file", &self.cert, "--tls-key-file", &self.key];
        Server::start_with(&[&tls[..], &own, more].concat())
    }
}

fn quick() -> Options {
    options! { "call_timeout" => "2s", "connect_timeout" => "1s" }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn given_roots_are_trusted_and_others_are_not() {
    if is_without_tls("given_roots_are_trusted_and_others_are_not") {
        return;
    }
    let files = Files::new("127.0.0.1");
    let server = files.serve(&["--tls-auth-clients", "no"]);
    let url = format!("rediss://{}?tls_ca={}", server.address(), files.ca);
    let cache = texts("tls", &new_provider_from_url(&url).unwrap());
    let large = "v".repeat(1 << 20);
    cache.set("k", &large, Duration::from_secs(60)).unwrap();
    assert_eq!(cache.get("k").unwrap(), Some(large));
    let names: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    cache.set_multi(names.iter().map(|name| (name, name.clone())), Ttl::Never).unwrap();
    assert_eq!(cache.get_multi(&names).unwrap().len(), 500);

    let refused = |options: Options, address: &str| {
        let error = texts("tls", &provider_with(address, options)).get("k").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        error.to_string()
    };
    for options in [quick().with("tls", true), quick().with("tls", true).with("tls_ca", &files.other_ca)] {
        let error = refused(options, &server.address());
        assert!(error.contains("not trusted") && error.contains("tls_ca"), "{error}");
    }
    let trusting = || quick().with("tls", true).with("tls_ca", &files.ca);
    let error = refused(trusting(), &format!("localhost:{}", server.port));
    assert!(error.contains("for another name") && error.contains("as its certificate does"), "{error}");
    // A connection without TLS, to a server that hangs up on it without a word.
    let (begun, patient) = (Instant::now(), options! { "call_timeout" => "8s", "connect_timeout" => "4s" });
    let error = texts("tls", &provider_with(&server.address(), patient)).get("k").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("speaks TLS") && error.to_string().contains("rediss://"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drop(files.folder);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_client_shows_its_certificate_where_it_is_asked_for() {
    if is_without_tls("a_client_shows_its_certificate_where_it_is_asked_for") {
        return;
    }
    let files = Files::new("localhost");
    let server = files.serve(&["--tls-auth-clients", "yes"]);
    let address = format!("localhost:{}", server.port);
    let trusting = || quick().with("tls", true).with("tls_ca", &files.ca);
    let known = trusting().with("tls_cert", &files.cert).with("tls_key", &files.key);
    let numbers = Contract::<u32>::new("tls", provider_with(&address, known)).unwrap().cache().blocking();
    numbers.set("k", &7, Ttl::Never).unwrap();
    assert_eq!(numbers.get("k").unwrap(), Some(7));
    let refused = |options: Options| {
        let error = texts("other", &provider_with(&address, options)).get("k").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        error.to_string()
    };
    let error = refused(trusting());
    assert!(
        error.contains("requires a client certificate") && error.contains("tls_cert and tls_key"),
        "{error}"
    );
    let stranger = Files::new("localhost");
    let error = refused(trusting().with("tls_cert", &stranger.cert).with("tls_key", &stranger.key));
    assert!(error.contains("does not accept the certificate of this program"), "{error}");
    let mixed = trusting().with("tls_cert", &files.cert).with("tls_key", &files.cert);
    let error = new_provider("redis", mixed).unwrap_err();
    assert!(error.to_string().contains("tls_key"), "{error}");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_certificate_outside_of_its_time_says_whether_it_is_past_or_to_come() {
    for (from, to, word) in [(2001, 2002, "has expired"), (2999, 3000, "not valid yet")] {
        let files = Files::valid("127.0.0.1", from, to);
        let server = files.serve(&["--tls-auth-clients", "no"]);
        let trusting = quick().with("tls", true).with("tls_ca", &files.ca);
        let error = texts("tls", &provider_with(&server.address(), trusting)).get("k").unwrap_err();
        assert!(error.to_string().contains(word) && error.to_string().contains("clock"), "{error}");
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn without_given_roots_the_systems_are_trusted() {
    if is_without_tls("without_given_roots_the_systems_are_trusted") {
        return;
    }
    let files = Files::new("127.0.0.1");
    let server = files.serve(&["--tls-auth-clients", "no"]);
    // The variable by which a system's roots are elsewhere.
    ask_alone("tls::system_alone", &[("SSL_CERT_FILE", &files.ca), ("TLS_PORT", &server.port.to_string())]);
}

#[test]
#[ignore = "run by without_given_roots_the_systems_are_trusted: make test-redis"]
fn system_alone() {
    if !alone() {
        return;
    }
    let url = format!("rediss://127.0.0.1:{}", std::env::var("TLS_PORT").unwrap());
    let cache = texts("tls", &new_provider_from_url(&url).unwrap());
    cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    assert_eq!(cache.get("k").unwrap().as_deref(), Some("v"));
}
