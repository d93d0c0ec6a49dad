//! Which formats there are, and which files are binary.

use clap::ValueEnum;

use super::source::Source;
use super::{Place, TraceError, oracle_general};

/// A format of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// libCacheSim's binary records of 24 bytes: time, object, size, next request
    #[value(name = "oracleGeneral", alias = "oracle-general", alias = "oraclegeneral")]
    OracleGeneral,
    /// Text of columns, separated by commas, tabs, spaces or other characters
    Csv,
    /// Twitter's cache-trace: timestamp,key,key size,value size,client,operation,TTL without a header
    Twitter,
    /// One key a line
    Lines,
    /// No file: made while it is read, as the lab does
    #[value(skip)]
    Generated,
}

impl Format {
    /// What `--format` calls it, or would.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(|| "generated".to_owned(), |value| value.get_name().to_owned())
    }
}

/// Whether a trace is text, and not binary records; the format says it, or the first bytes do.
///
/// # Errors
///
/// The bytes look like nothing that is known.
pub(super) fn is_text(source: &mut Source, format: Option<Format>) -> Result<bool, TraceError> {
    if let Some(format) = format {
        return Ok(format != Format::OracleGeneral);
    }
    let head = source.sample();
    if may_be_text(head) {
        return Ok(true);
    }
    if oracle_general::may_begin(head) {
        return Ok(false);
    }
    let problem = "is of no known format: its bytes are neither text nor oracleGeneral records; \
                   expected oracleGeneral, CSV, Twitter's cache-trace or one key a line";
    Err(source.error(Place::File, problem))
}

/// Whether these bytes can be text: text has no control characters but white space.
pub(super) fn may_be_text(head: &[u8]) -> bool {
    const MOST_BYTES: usize = 4096;
    !head.iter().take(MOST_BYTES).any(|&byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_records_are_told_from_text_by_their_first_bytes() {
        let is_text = |bytes: &[u8]| is_text(&mut Source::of(bytes), None).map_err(|error| error.to_string());
        let mut oracle = [0; 48];
        oracle[16..24].copy_from_slice(&1i64.to_le_bytes());
        oracle[40..48].copy_from_slice(&(-1i64).to_le_bytes());
        assert_eq!(is_text(&oracle), Ok(false));
        assert_eq!(is_text(b"\xEF\xBB\xBF\"Key\",\"size\"\r\na,2\r\n"), Ok(true));
        assert!(is_text(&[0; 100]).unwrap_err().contains("no known format"));
    }
}
