//! All providers of this crate, including those that a build leaves out: their names, their features,
//! and the names of their options.

/// One provider of this crate.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    /// The names it is registered under.
    pub(crate) names: &'static [&'static str],
    /// The feature of this crate that enables it.
    pub(crate) feature: &'static str,
    pub(crate) options: &'static [&'static str],
}

pub(crate) const MEMORY: BuiltIn = BuiltIn {
    names: &["memory"],
    feature: "memory",
    options: &["max_size", "cleanup_interval", "when_full", "default_ttl", "max_key_size"],
};

pub(crate) const REDIS: BuiltIn = BuiltIn {
    names: &["redis", "rediss", "redis+cluster", "rediss+cluster"],
    feature: "redis",
    options: &[
        "address",
        "username",
        "password",
        "database",
        "cluster",
        "tls",
        "tls_ca",
        "tls_cert",
        "tls_key",
        "connect_timeout",
        "call_timeout",
        "silence_timeout",
        "tracking_interval",
        "tracking_timeout",
        "key_prefix",
        "client_name",
        "default_ttl",
        "max_key_size",
    ],
};

pub(crate) const TIERED: BuiltIn = BuiltIn {
    names: &["tiered"],
    feature: "tiered",
    options: &["far", "far.*", "near.max_size", "max_near_ttl", "coherence"],
};

pub(crate) const ALL: [&BuiltIn; 3] = [&MEMORY, &REDIS, &TIERED];

/// Whether a provider of this crate has an option with exactly this name.
pub(crate) fn is_option(name: &str) -> bool {
    let own = name.strip_prefix("far.").unwrap_or(name);
    ALL.iter().any(|built_in| built_in.options.contains(&own))
}
