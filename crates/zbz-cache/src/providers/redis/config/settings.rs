//! [`Settings`]: the options, read and checked when the provider is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::error::{Error, Result};
use crate::options::{OptionValue, Options};
use crate::provider::Limits;
use crate::providers::redis::config::address::{Address, AddressParts};
use crate::providers::redis::config::tls;
use crate::ttl::Ttl;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
const SILENCE_TIMEOUT: Duration = Duration::from_millis(600);
const TRACKING_INTERVAL: Duration = Duration::from_secs(1);
const TRACKING_TIMEOUT: Duration = Duration::from_secs(1);

/// The settings in a provider's registered name: `rediss` is TLS, `redis+cluster` a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scheme {
    pub(crate) name: &'static str,
    pub(crate) tls: bool,
    pub(crate) cluster: bool,
}

/// The user and the password. `Debug` shows neither.
#[derive(Clone, Default)]
pub(in crate::providers::redis) struct Credentials {
    pub(in crate::providers::redis) username: Option<String>,
    pub(in crate::providers::redis) password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// A provider's options, validated.
#[derive(Debug, Clone)]
pub(in crate::providers::redis) struct Settings {
    /// The server, or some servers of a cluster.
    pub(in crate::providers::redis) servers: Vec<Address>,
    pub(in crate::providers::redis) cluster: bool,
    pub(in crate::providers::redis) tls: Option<Arc<ClientConfig>>,
    /// Whether a client certificate is sent.
    pub(in crate::providers::redis) shows_certificate: bool,
    pub(in crate::providers::redis) credentials: Credentials,
    pub(in crate::providers::redis) database: i64,
    pub(in crate::providers::redis) connect_timeout: Duration,
    pub(in crate::providers::redis) call_timeout: Duration,
    /// The longest silence of a server while calls wait for it.
    pub(in crate::providers::redis) silence_timeout: Duration,
    /// How often the listeners are proven, and how long a proof may take.
    pub(in crate::providers::redis) tracking_interval: Duration,
    pub(in crate::providers::redis) tracking_timeout: Duration,
    /// The prefix of every stored key.
    pub(in crate::providers::redis) key_prefix: Vec<u8>,
    pub(in crate::providers::redis) client_name: Option<String>,
    pub(in crate::providers::redis) default_ttl: Ttl,
    pub(in crate::providers::redis) limits: Limits,
}

impl Settings {
    /// # Errors
    ///
    /// `Config`, naming the option. No message shows an address, a user or a password.
    pub(in crate::providers::redis) fn read(options: &Options, scheme: Scheme) -> Result<Settings> {
        let place = match options.text("address")? {
            Some(text) => AddressParts::parse(&text)?,
            None => AddressParts::parse("127.0.0.1")?,
        };
        let cluster = one_of_two(options, "cluster", scheme.cluster, scheme.name)?;
        let tls = one_of_two(options, "tls", scheme.tls, scheme.name)?;
        if !cluster && place.servers.len() > 1 {
            return Err(Error::config(
                "option \"address\" names several servers; say cluster = true, or name one",
            ));
        }
        let database = read_database(options, place.database, cluster)?;
        let credentials = Credentials {
            username: credential("username", once("username", options.text("username")?, place.username)?)?,
            password: credential("password", once("password", options.text("password")?, place.password)?)?,
        };
        if credentials.username.is_some() && credentials.password.is_none() {
            return Err(Error::config("option \"username\" is given without \"password\"; give both"));
        }
        Ok(Settings {
            servers: place.servers,
            cluster,
            tls: tls::read(options, tls)?,
            shows_certificate: options.get("tls_cert").is_some(),
            credentials,
            database,
            connect_timeout: timeout(options, "connect_timeout", CONNECT_TIMEOUT)?,
            call_timeout: timeout(options, "call_timeout", CALL_TIMEOUT)?,
            silence_timeout: timeout(options, "silence_timeout", SILENCE_TIMEOUT)?,
            tracking_interval: timeout(options, "tracking_interval", TRACKING_INTERVAL)?,
            tracking_timeout: timeout(options, "tracking_timeout", TRACKING_TIMEOUT)?,
            key_prefix: options.text("key_prefix")?.unwrap_or_default().into_bytes(),
            client_name: read_client_name(options)?,
            default_ttl: options.ttl("default_ttl")?.unwrap_or(Ttl::Never),
            limits: read_limits(options)?,
        })
    }
}

/// A `bool` option that the provider's name may have set already.
fn one_of_two(options: &Options, name: &str, said: bool, scheme: &str) -> Result<bool> {
    match options.flag(name)? {
        Some(false) if said => {
            Err(options.wrong(name, &format!("true, or nothing, where the provider is {scheme:?}")))
        }
        flag => Ok(flag.unwrap_or(said)),
    }
}

/// The value given as a separate option or within `address`.
fn once(name: &str, own: Option<String>, within: Option<String>) -> Result<Option<String>> {
    if own.is_some() && within.is_some() {
        return Err(Error::config(format!(
            "option {name:?} is given twice, also in \"address\"; give it once"
        )));
    }
    Ok(own.or(within))
}

fn read_database(options: &Options, within: Option<String>, cluster: bool) -> Result<i64> {
    let refuse = || Error::config("option \"database\" takes a whole number from 0");
    let own = match options.get("database") {
        // It is not a text, and the error must not suggest one.
        Some(OptionValue::Bool(_) | OptionValue::Float(_) | OptionValue::Duration(_)) => return Err(refuse()),
        _ => options.text("database")?,
    };
    let Some(text) = once("database", own, within)? else { return Ok(0) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits).ok_or_else(refuse)?;
    if cluster && number > 0 {
        return Err(Error::config("a cluster has database 0 only; take the option \"database\" away"));
    }
    Ok(number)
}

fn timeout(options: &Options, name: &str, otherwise: Duration) -> Result<Duration> {
    let span = options.duration(name)?.unwrap_or(otherwise);
    if span < Duration::from_millis(1) || span > Duration::from_secs(3600) {
        return Err(options.wrong(name, "1 ms to 1 hour"));
    }
    Ok(span)
}

/// Checks a user or a password. A line break comes from the file that it was read from, and is never
/// right.
fn credential(name: &str, given: Option<String>) -> Result<Option<String>> {
    match given {
        Some(text) if text.contains(char::is_control) => Err(Error::config(format!(
            "option {name:?} has a line break or another control character in it; take it out"
        ))),
        given => Ok(given),
    }
}

fn read_client_name(options: &Options) -> Result<Option<String>> {
    let Some(name) = options.text("client_name")? else { return Ok(None) };
    // The characters that CLIENT SETNAME accepts.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::config("option \"client_name\" takes ASCII letters, digits and signs, no spaces"));
    }
    Ok(Some(name))
}

fn read_limits(options: &Options) -> Result<Limits> {
    let limits = Limits::default();
    let Some(bytes) = options.bytes("max_key_size")? else { return Ok(limits) };
    let most = limits.max_stored_key_bytes;
    let fits = usize::try_from(bytes).ok().filter(|bytes| (1..=most).contains(bytes));
    let refuse = || options.wrong("max_key_size", &format!("1 to {most} bytes"));
    Ok(limits.with_max_key_bytes(fits.ok_or_else(refuse)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options;

    const PLAIN: Scheme = Scheme { name: "redis", tls: false, cluster: false };
    const CLUSTER: Scheme = Scheme { name: "redis+cluster", tls: false, cluster: true };

    fn refused(options: Options, scheme: Scheme) -> String {
        Settings::read(&options, scheme).expect_err("a wrong option was taken").to_string()
    }

    #[test]
    fn the_defaults_are_those_documented() {
        let settings = Settings::read(&options! {}, PLAIN).unwrap();
        assert_eq!(settings.servers[0].to_string(), "127.0.0.1:6379");
        assert!(!settings.cluster && settings.tls.is_none() && settings.key_prefix.is_empty());
        assert_eq!((settings.connect_timeout, settings.call_timeout), (CONNECT_TIMEOUT, CALL_TIMEOUT));
        let tracking = (settings.tracking_interval, settings.tracking_timeout);
        assert_eq!(tracking, (TRACKING_INTERVAL, TRACKING_TIMEOUT));
        assert_eq!((settings.database, settings.default_ttl), (0, Ttl::Never));
    }

    #[test]
    fn every_wrong_option_is_refused_by_its_name_and_no_secret_is_shown() {
        let secret = "sentinel-5f3a";
        for (options, scheme, word) in [
            (options! { "address" => "a,b" }, PLAIN, "cluster = true"),
            (options! { "address" => "a:x" }, PLAIN, "address"),
            (options! { "address" => format!(":{secret}@a"), "password" => secret }, PLAIN, "password"),
            (options! { "password" => true }, PLAIN, "password"),
            (options! { "username" => secret }, PLAIN, "username"),
            (options! { "database" => secret }, PLAIN, "database"),
            (options! { "database" => -1 }, PLAIN, "database"),
            (options! { "database" => 1 }, CLUSTER, "cluster has database 0"),
            (options! { "cluster" => false }, CLUSTER, "cluster"),
            (options! { "tls" => "maybe" }, PLAIN, "tls"),
            (options! { "tls_ca" => "/no/such/file.pem", "tls" => true }, PLAIN, "tls_ca"),
            (options! { "tls_ca" => "ca.pem" }, PLAIN, "tls"),
            (options! { "tls_cert" => "cert.pem", "tls" => true }, PLAIN, "tls_key"),
            (options! { "connect_timeout" => 0 }, PLAIN, "connect_timeout"),
            (options! { "call_timeout" => "2h" }, PLAIN, "call_timeout"),
            (options! { "tracking_interval" => 0 }, PLAIN, "tracking_interval"),
            (options! { "tracking_timeout" => "2h" }, PLAIN, "tracking_timeout"),
            (options! { "client_name" => "two words" }, PLAIN, "client_name"),
            (options! { "max_key_size" => 0 }, PLAIN, "max_key_size"),
            (options! { "default_ttl" => "later" }, PLAIN, "default_ttl"),
        ] {
            let error = refused(options, scheme);
            assert!(error.contains(word), "{word:?} is not in: {error}");
            assert!(!error.contains(secret), "{error}");
        }
    }

    #[test]
    fn no_part_of_a_password_becomes_a_host() {
        let secret = "sentinel";
        let mut taken = 0;
        for sign in [
            "?", "#", "/", "@", ":", ",", "\\", "[", "]", "%", "&", "=", ";", "+", " ", "\n", "\u{fc}", "%40",
        ] {
            for password in
                [format!("{secret}{sign}9"), format!("9{sign}{secret}"), format!("{secret}{sign}")]
            {
                for user in ["", "ann"] {
                    for tail in ["host", "host:7000/1", "host?call_timeout=1s", "a,b", ":1@b", "b@"] {
                        let url = format!("redis+cluster://{user}:{password}@{tail}");
                        let Ok((_, options)) = Options::from_url(&url) else { continue };
                        let Ok(settings) = Settings::read(&options, CLUSTER) else { continue };
                        taken += 1;
                        for server in &settings.servers {
                            assert!(!server.host.contains(secret), "{url} leads to {server}");
                        }
                        let read = settings.credentials.password.unwrap_or_default();
                        assert_eq!(read, password.replace("%40", "@"), "{url}");
                    }
                }
            }
        }
        assert!(taken > 100, "{taken}");
    }

    #[test]
    fn what_is_no_host_a_system_would_take_for_one_is_refused() {
        for address in [
            "6379",
            "host:",
            "host:+1",
            "host:6379 ",
            "host\n",
            "a, b",
            "1.2.3",
            "1.2.3.256",
            "h\u{fc}t",
            "a..b",
            ".a",
            "a\\b",
            "a%b",
            "[::1",
            "[x]:1",
            "[::1]x",
            "::1",
            "@host",
            ":@host",
            "ann:@host",
            "a;b",
            "host?x",
            "host#x",
            ":a?b@host",
            "ann:a%b@c",
            "a:b@c:d@e",
            "",
            ",",
            "a,",
            "a,,b",
        ] {
            let error = refused(options! { "address" => address }, CLUSTER);
            assert!(error.contains("address") || error.contains("username"), "{address:?}: {error}");
        }
        for (address, read) in [
            ("redis_1", "redis_1:6379"),
            ("a-b.example.", "a-b.example.:6379"),
            ("10.0.0.1:7000", "10.0.0.1:7000"),
            ("[fe80::1%eth0]", "[fe80::1%eth0]:6379"),
        ] {
            let settings = Settings::read(&options! { "address" => address }, CLUSTER).unwrap();
            assert_eq!(settings.servers[0].to_string(), read);
        }
    }

    #[test]
    fn a_password_read_from_a_file_with_its_line_break_is_refused() {
        for options in [
            options! { "password" => "sentinel\n" },
            options! { "address" => ":sentinel%0A@host" },
            options! { "username" => "sentinel\r", "password" => "x" },
        ] {
            let error = refused(options, PLAIN);
            assert!(error.contains("line break") && !error.contains("sentinel"), "{error}");
        }
    }

    #[test]
    fn a_key_in_place_of_its_path_is_not_shown() {
        let key = "-----BEGIN PRIVATE KEY-----\nsentinel\n-----END PRIVATE KEY-----\n";
        for given in [key, "c2VudGluZWw/sentinel"] {
            let error = refused(options! { "tls" => true, "tls_ca" => given }, PLAIN);
            assert!(error.contains("tls_ca") && !error.contains("sentinel"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = "sentinel-5f3a";
        let options = options! { "address" => "a", "username" => secret, "password" => secret };
        let settings = Settings::read(&options, PLAIN).unwrap();
        assert_eq!(settings.credentials.password.as_deref(), Some(secret));
        assert!(!format!("{settings:?} {options:?}").contains(secret));
    }
}
