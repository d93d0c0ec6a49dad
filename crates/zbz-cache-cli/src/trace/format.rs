//! Which formats there are, and how the format of a file is guessed from its first bytes.

use clap::ValueEnum;

use super::csv::Columns;
use super::source::Source;
use super::{Place, TraceError, csv, oracle_general, twitter};

/// A format of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// libCacheSim's binary records of 24 bytes: time, object, size, next request
    #[value(name = "oracleGeneral", alias = "oracle-general", alias = "oraclegeneral")]
    OracleGeneral,
    /// Text with a header line that names the columns
    Csv,
    /// Twitter's cache-trace: timestamp,key,key size,value size,client,operation,TTL without a header
    Twitter,
    /// One key a line
    Lines,
    /// No file: made while it is read
    #[value(skip)]
    Generated,
}

impl Format {
    /// What `--format` calls it, or would.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(|| "generated".to_owned(), |value| value.get_name().to_owned())
    }
}

/// The format that the first bytes of a trace look like.
///
/// # Errors
///
/// They look like none.
pub(super) fn guess(source: &mut Source, columns: &Columns) -> Result<Format, TraceError> {
    let head = source.head(Place::File)?;
    if !is_text(head) {
        if oracle_general::may_begin(head) {
            return Ok(Format::OracleGeneral);
        }
        let problem = "is of no known format: its bytes are neither text nor oracleGeneral records; \
                       expected oracleGeneral, CSV, Twitter's cache-trace or one key a line";
        return Err(source.error(Place::File, problem));
    }
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or(head);
    if twitter::may_begin(line) {
        return Ok(Format::Twitter);
    }
    if csv::may_begin(line, columns) {
        return Ok(Format::Csv);
    }
    if !line.contains(&b',') {
        return Ok(Format::Lines);
    }
    let problem = "the line has commas, but is neither a CSV header with a column for the key nor a line of \
                   Twitter's cache-trace; name the column (--key-column) or the format (--format)";
    Err(source.error(Place::Line(1), problem))
}

/// Whether these bytes can be text: text has no control characters but white space.
fn is_text(head: &[u8]) -> bool {
    const MOST_BYTES: usize = 4096;
    !head.iter().take(MOST_BYTES).any(|&byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(bytes: &[u8]) -> Result<Format, String> {
        guess(&mut Source::of(bytes), &Columns::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_format_is_known_by_its_first_bytes() {
        let mut oracle = [0; 48];
        oracle[16..24].copy_from_slice(&1i64.to_le_bytes());
        oracle[40..48].copy_from_slice(&(-1i64).to_le_bytes());
        assert_eq!(guessed(&oracle), Ok(Format::OracleGeneral));
        assert_eq!(guessed(b"time,key,size\n1,a,2\n"), Ok(Format::Csv));
        assert_eq!(guessed(b"\xEF\xBB\xBF\"Key\",\"size\"\r\na,2\r\n"), Ok(Format::Csv));
        assert_eq!(guessed(b"0,nz:u:eeW,46,101,3,get,0\n"), Ok(Format::Twitter));
        assert_eq!(guessed(b"v2/47cbd874/manifests\nv2\n"), Ok(Format::Lines));
    }

    #[test]
    fn what_looks_like_nothing_known_is_refused_with_a_way_out() {
        assert!(guessed(b"a,b\n1,2\n").unwrap_err().contains("--key-column"));
        assert!(guessed(&[0; 100]).unwrap_err().contains("no known format"));
    }
}
