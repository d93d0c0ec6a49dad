//! The command line's options about a text trace, which replace guesses.

use std::convert::Infallible;
use std::str::FromStr;

/// The delimiter between two fields of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// This byte, once.
    Byte(u8),
    /// Any number of spaces and tabs.
    Blanks,
}

/// Names of delimiters: first the one that messages use, then what people may write.
const DELIMITERS: [(Delimiter, &str, &[&str]); 5] = [
    (Delimiter::Byte(b','), "commas", &["comma", ","]),
    (Delimiter::Byte(b'\t'), "tabs", &["tab", "\t", "\\t"]),
    (Delimiter::Byte(b';'), "semicolons", &["semicolon", ";"]),
    (Delimiter::Byte(b'|'), "bars", &["bar", "pipe", "|"]),
    (Delimiter::Blanks, "spaces", &["space", "blank", " "]),
];

impl Delimiter {
    /// Those that are looked for in a file.
    pub(super) fn usual() -> impl Iterator<Item = Delimiter> {
        DELIMITERS.into_iter().map(|(delimiter, ..)| delimiter)
    }

    /// Whether keys seldom hold it, so that it is on every line for a reason.
    pub(super) fn is_rare_in_keys(self) -> bool {
        matches!(self, Delimiter::Byte(b',' | b'\t'))
    }

    /// As in "separated by commas".
    pub(super) fn words(self) -> String {
        let known = DELIMITERS.iter().find(|(delimiter, ..)| *delimiter == self);
        match (known, self) {
            (Some((_, words, _)), _) => (*words).to_owned(),
            (None, Delimiter::Byte(byte)) => format!("\"{}\"", char::from(byte).escape_debug()),
            (None, Delimiter::Blanks) => "spaces".to_owned(),
        }
    }
}

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        let is_it = |words: &str, names: &[&str]| name == words || names.contains(&name.as_str());
        if let Some((delimiter, ..)) = DELIMITERS.into_iter().find(|(_, words, names)| is_it(words, names)) {
            return Ok(delimiter);
        }
        let wrong = "takes comma, tab, semicolon, bar, space or any other single character but \
                     letters, digits and quotes";
        match text.as_bytes() {
            [byte] if !byte.is_ascii_alphanumeric() && !matches!(byte, b'"' | b'\n' | b'\r') => {
                Ok(Delimiter::Byte(*byte))
            }
            _ => Err(wrong.to_owned()),
        }
    }
}

/// A character with a meaning of its own, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// No character has this meaning.
    None,
    /// This one has it.
    Byte(u8),
}

impl Mark {
    /// The character.
    pub(super) fn byte(self) -> Option<u8> {
        match self {
            Mark::None => None,
            Mark::Byte(byte) => Some(byte),
        }
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            _ if text.eq_ignore_ascii_case(NONE) => Ok(Mark::None),
            [byte] if byte.is_ascii_graphic() => Ok(Mark::Byte(*byte)),
            _ => Err("takes one character, or none".to_owned()),
        }
    }
}

/// Which column holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// No column does.
    None,
    /// The one of this name in the header, or of this number, counted from 1.
    Named(String),
}

impl FromStr for Column {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text.eq_ignore_ascii_case(NONE) { Column::None } else { Column::Named(text.to_owned()) })
    }
}

/// The value that switches an option's subject off.
const NONE: &str = "none";

/// Columns that the user chose; those that are not chosen are looked for.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// The time of the request.
    pub time: Option<Column>,
    /// The key.
    pub key: Option<Column>,
    /// The bytes of the value.
    pub size: Option<Column>,
    /// The time to live.
    pub ttl: Option<Column>,
    /// The operation.
    pub op: Option<Column>,
    /// How many requests a line stands for.
    pub count: Option<Column>,
}

impl Columns {
    /// The choice for each role.
    pub(super) fn of(&self, role: ColumnRole) -> Option<&Column> {
        let column = match role {
            ColumnRole::Time => &self.time,
            ColumnRole::Key => &self.key,
            ColumnRole::Size => &self.size,
            ColumnRole::Ttl => &self.ttl,
            ColumnRole::Op => &self.op,
            ColumnRole::Count => &self.count,
        };
        column.as_ref()
    }

    /// Whether anything was chosen.
    pub(super) fn is_any(&self) -> bool {
        ColumnRole::ALL.into_iter().any(|role| self.of(role).is_some())
    }

    /// The names and numbers that were chosen.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        ColumnRole::ALL.into_iter().filter_map(|role| match self.of(role) {
            Some(Column::Named(name)) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// The role of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnRole {
    Time,
    Key,
    Size,
    Ttl,
    Op,
    Count,
}

impl ColumnRole {
    pub(super) const ALL: [ColumnRole; 6] = [
        ColumnRole::Time,
        ColumnRole::Key,
        ColumnRole::Size,
        ColumnRole::Ttl,
        ColumnRole::Op,
        ColumnRole::Count,
    ];

    /// As in `--key-column`.
    pub(super) fn name(self) -> &'static str {
        match self {
            ColumnRole::Time => "time",
            ColumnRole::Key => "key",
            ColumnRole::Size => "size",
            ColumnRole::Ttl => "ttl",
            ColumnRole::Op => "op",
            ColumnRole::Count => "count",
        }
    }

    /// Names of columns that may hold keys and may hold something else, so that they are offered and not taken.
    pub(super) const MAYBE_KEYS: [&str; 5] = ["url", "lba", "lbn", "block", "offset"];

    /// The names that such a column usually has, the best first: letters and digits alone, in lower case.
    pub(super) fn usual_names(self) -> &'static [&'static str] {
        match self {
            ColumnRole::Time => &[
                "time",
                "timestamp",
                "ts",
                "optime",
                "requesttime",
                "reqtime",
                "clocktime",
                "realtime",
                "relativeunix",
            ],
            ColumnRole::Key => &[
                "key",
                "objid",
                "objectid",
                "object",
                "obj",
                "anonymizedkey",
                "cachekey",
                "blockid",
                "itemid",
                "keyid",
                "keyhash",
                // Of a tenant or a request, where a better name is there.
                "id",
            ],
            ColumnRole::Size => &[
                "size",
                "valuesize",
                "bytes",
                "objsize",
                "objectsize",
                "valuebytes",
                "sizebytes",
                "iosize",
                "responsesize",
            ],
            ColumnRole::Ttl => &["ttl", "ttlseconds", "timetolive"],
            ColumnRole::Op => &["op", "operation", "optype", "opname", "opcode", "iotype"],
            ColumnRole::Count => &["opcount", "repeats", "repeat"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_named_or_written() {
        let delimiter = |text: &str| text.parse::<Delimiter>();
        assert_eq!(delimiter("TAB"), Ok(Delimiter::Byte(b'\t')));
        assert_eq!(delimiter("\\t"), Ok(Delimiter::Byte(b'\t')));
        assert_eq!((delimiter(" "), delimiter("spaces")), (Ok(Delimiter::Blanks), Ok(Delimiter::Blanks)));
        assert_eq!((delimiter("|"), delimiter(":")), (Ok(Delimiter::Byte(b'|')), Ok(Delimiter::Byte(b':'))));
        for wrong in ["", "x", "7", "\"", "::", "\n"] {
            assert!(delimiter(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Delimiter::Byte(b':').words(), "\":\"");
    }

    #[test]
    fn a_mark_is_one_character_or_none() {
        assert_eq!(("%".parse(), "None".parse()), (Ok(Mark::Byte(b'%')), Ok(Mark::None)));
        assert!("//".parse::<Mark>().is_err());
    }
}
