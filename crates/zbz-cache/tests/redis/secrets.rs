//! A sentinel is searched for in everything that is shown: errors, `Debug`, logs.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use zbz_cache::{Options, ProviderHandle, Ttl, new_provider, new_provider_from_url, options};

use crate::faults::{every_verb, quick};
use crate::proxy::{Fault, Proxy};
use crate::server::{Server, provider_with, texts};

const SENTINEL: &str = "sentinel-7c91d2";

/// Keeps every word that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0.lock().unwrap(), "{field}={value:?} ");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Everything a provider shows when every verb is tried.
fn shown_by(provider: &ProviderHandle) -> String {
    let mut shown = format!("{provider:?}\n");
    for ended in every_verb(provider) {
        if let Err(error) = ended.answer {
            let _ = writeln!(shown, "{error} {error:?} {error:#?}");
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                let _ = writeln!(shown, "{inner} {inner:?}");
                source = inner.source();
            }
        }
    }
    shown
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn no_secret_is_ever_shown() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let mut shown = String::new();
    let secret = || quick().with("password", SENTINEL);

    let server = Server::start_with(&["--requirepass", "right"]).log_in_as("default", "right");
    shown += &shown_by(&provider_with(&server.address(), secret()));
    shown += &shown_by(&provider_with(&server.address(), secret().with("username", SENTINEL)));
    let url = format!("redis://{SENTINEL}:{SENTINEL}@{}?call_timeout=300ms", server.address());
    shown += &shown_by(&new_provider_from_url(&url).unwrap());

    // A server that does not know the command repeats its arguments.
    let old = Server::start_with(&["--rename-command", "HELLO", ""]);
    shown += &shown_by(&provider_with(&old.address(), secret()));
    let lacking = Server::start_with(&["--rename-command", "SET", "", "--rename-command", "UNLINK", ""]);
    let provider = provider_with(&lacking.address(), quick());
    shown += &shown_by(&provider);
    let error = texts("t", &provider).set(SENTINEL, &SENTINEL.to_owned(), Ttl::Never).unwrap_err();
    shown += &format!("{error} {error:?}");

    // Links that break while they carry it.
    let right = Server::start_with(&["--requirepass", SENTINEL]).log_in_as("default", SENTINEL);
    let proxy = Proxy::to(right.port);
    let provider = provider_with(&proxy.address(), secret());
    for fault in [
        Fault::None,
        Fault::CutOnce(10),
        Fault::Cut(3),
        Fault::Silent,
        Fault::Garbage(format!("-{SENTINEL} {SENTINEL}\r\n").into_bytes()),
        Fault::Garbage(SENTINEL.as_bytes().to_vec()),
    ] {
        proxy.set(fault);
        shown += &shown_by(&provider);
        let error = texts("t", &provider).get_multi([SENTINEL, "k"]).err();
        shown += &error.map(|error| format!("{error} {error:?}")).unwrap_or_default();
        proxy.set(Fault::None);
        proxy.cut_all();
    }

    // A password in every place of a URL: refused, or taken for a password and for no host.
    for url in urls(&server.address()) {
        let made = match new_provider_from_url(&url) {
            Ok(provider) => shown_by(&provider),
            Err(error) => format!("{error} {error:?} {error:#?}\n"),
        };
        let tier = options! { "far" => url, "near.max_size" => "1MiB", "far.call_timeout" => "300ms" };
        shown += &(made + &format!("{:?}\n", new_provider("tiered", tier)));
    }

    for options in wrong_options() {
        shown += &format!("{options:?}");
        let error = new_provider("redis", options).expect_err("a wrong option was taken");
        shown += &format!("{error} {error:?}");
    }
    let logged = log.0.lock().unwrap().clone();
    assert!(logged.contains("the connection broke"), "nothing was logged");
    for line in shown.lines().chain(logged.lines()) {
        assert!(!line.contains(SENTINEL), "{line}");
    }
}

fn urls(address: &str) -> Vec<String> {
    let signs = ["/", "?", "#", "@", ":", ",", "[", "\\", "%", "%zz", "%40", "+", "&", "=", "\n", " "];
    let passwords =
        signs.into_iter().flat_map(|sign| [format!("{SENTINEL}{sign}9"), format!("9{sign}{SENTINEL}")]);
    let mut urls: Vec<String> = passwords
        .flat_map(|password| {
            [
                "redis://:P@A/0",
                "redis://ann:P@A?connect_timeout=200ms",
                "redis://A/0?password=P",
                "redis//:P@A",
                "P@A",
            ]
            .map(|shape| shape.replace('P', &password).replace('A', address))
        })
        .collect();
    urls.extend([
        format!("redis://{address}?{SENTINEL}=1"),
        format!("redis://{address}?passwrd={SENTINEL}"),
        format!("redis://{address}?tls={SENTINEL}"),
        format!("redis://{address}/{SENTINEL}"),
        format!("redis://127.0.0.1:{SENTINEL}"),
        format!("memory://ann:{SENTINEL}@{address}"),
        format!("{SENTINEL}://{address}"),
        format!("redis+cluster://:{SENTINEL}@{address},:{SENTINEL}@{address}"),
    ]);
    urls
}

fn wrong_options() -> Vec<Options> {
    vec![
        options! { "address" => format!("redis://u:{SENTINEL}@host") },
        options! { "address" => format!("u:{SENTINEL}@") },
        options! { "address" => format!("host:{SENTINEL}") },
        options! { "address" => format!("u:{SENTINEL}@host"), "password" => SENTINEL },
        options! { "address" => format!(":{SENTINEL}?9@host") },
        options! { "tls" => true, "tls_ca" => SENTINEL },
        options! { "tls" => format!("redis://:{SENTINEL}@host") },
        options! { "username" => SENTINEL },
        options! { "password" => SENTINEL, "tls" => "maybe" },
        options! { "password" => SENTINEL, "call_timeout" => 0 },
        options! { "database" => SENTINEL },
        options! { "client_name" => format!("{SENTINEL} ") },
    ]
}
