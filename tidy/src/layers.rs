//! Which modules stand above which, as data; and what does not hold yet.

/// The modules beside one another below one module, the highest row first.
#[derive(Debug)]
pub struct Layers {
    /// The crate's folder.
    pub package: &'static str,
    /// The module whose children are ordered; empty for the crate's root. Its own file goes by its own name, the
    /// root's by `lib` or `main`, and is free to use anything where the rows leave it out.
    pub inside: &'static str,
    /// Rows of names, the highest first.
    pub rows: &'static [&'static [&'static str]],
}

/// One file's use of another that a rule forbids and that is tolerated until it is mended.
#[derive(Debug)]
pub struct NotYet {
    /// The crate's folder.
    pub package: &'static str,
    /// The file that uses, below `src`.
    pub from: &'static str,
    /// The file that defines, below `src`.
    pub to: &'static str,
}

/// Where files may not depend on one another in a circle: a crate, and the module below which it holds.
pub const WITHOUT_CIRCLES: &[(&str, &str)] =
    &[("crates/zbz-cache-memory", ""), ("crates/zbz-cache-cli", "replay"), ("lab", "replay")];

/// Every list of layers.
pub const LAYERS: &[Layers] = &[
    Layers {
        package: "crates/zbz-cache",
        inside: "",
        rows: &[
            &["lib"],
            &["guide", "conformance"],
            &["blocking"],
            &["cache"],
            &["contract", "registry"],
            &["providers", "load"],
            &["handle", "options"],
            &["flight", "key"],
            &["provider", "codec", "glob", "scratch"],
            &["reply", "stats", "ttl"],
            &["error"],
        ],
    },
    Layers {
        package: "crates/zbz-cache",
        inside: "providers",
        rows: &[&["providers"], &["tiered", "redis"], &["memory"]],
    },
    Layers {
        package: "crates/zbz-cache",
        inside: "providers::redis",
        rows: &[
            &["native", "verbs", "tracking"],
            &["shared"],
            &["client", "runtime"],
            &["cluster"],
            &["subscribers", "connection"],
            &["error"],
            &["config"],
        ],
    },
    Layers {
        package: "crates/zbz-cache",
        inside: "providers::tiered",
        rows: &[&["settings"], &["builder", "reading", "writing"], &["feed"], &["copies"], &["coherence"]],
    },
    Layers {
        package: "crates/zbz-cache-memory",
        inside: "",
        rows: &[
            &["lib"],
            &["api"],
            &["engine"],
            &["verbs"],
            &["space"],
            &["entries"],
            &["log"],
            &["index", "policy"],
            &["base"],
        ],
    },
    Layers {
        package: "crates/zbz-cache-cli",
        inside: "replay",
        rows: &[
            &["replay"],
            &["args"],
            &["outputs"],
            &["plot", "table", "chart"],
            &["curve"],
            &["report", "drive"],
            &["result", "engine"],
            &["through"],
            &["size"],
            &["survey", "target"],
            &["clock", "fills", "input", "reading", "remembered"],
        ],
    },
    Layers {
        package: "crates/zbz-cache-cli",
        inside: "",
        rows: &[
            &["lib"],
            &["args"],
            &["first_run", "replay", "bench"],
            &["json"],
            &["failure"],
            &["trace"],
            &["dice", "figures", "invocation", "numbers", "page", "progress"],
        ],
    },
    Layers {
        package: "lab",
        inside: "replay",
        rows: &[
            &["replay"],
            &["args", "compared", "write"],
            &["contestant", "summary"],
            &["simulator", "ahead", "yardstick"],
        ],
    },
    Layers {
        package: "lab",
        inside: "",
        rows: &[&["main"], &["replay"], &["policy", "generated"], &["names"]],
    },
];

/// The uses that are tolerated, to be emptied.
pub const NOT_YET: &[NotYet] = &[];

/// The files, and the functions in files, that are longer than they may be, to be emptied.
pub const TOO_LONG: &[&str] =
    &["crates/zbz-cache/tests/redis/redirected.rs: nobody_goes_back_and_what_was_acknowledged_is_seen"];
