//! Twitter's cache-trace: seven columns, no header.
//!
//! `timestamp in s, anonymized key, key size, value size, client, operation, TTL in s`
//!
//! The key is padded to the recorded size where anonymizing shortened it. A read that found nothing has a value size of
//! zero, which stands for "not known"; reads have a TTL of zero, which stands for "none given".

use super::csv::{bytes, check_key, columns_in_words, op};
use super::fields::{self, TimeUnit, shown};
use super::rows::{Dialect, Row, Rows};
use super::source::Source;
use super::{Op, Record, Records, Step, TraceError};

const COLUMNS: usize = 7;

const PADDING: u8 = b'.';

pub(super) struct Reader {
    rows: Rows,
}

impl Reader {
    pub(super) fn new(source: Source, dialect: Dialect) -> Self {
        Reader { rows: Rows::new(source, dialect) }
    }
}

impl Records for Reader {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        if !self.rows.read()? {
            return Ok(Step::End);
        }
        parse(self.rows.row(), record).map_err(|problem| self.rows.error(problem))?;
        Ok(Step::Record)
    }
}

fn parse(line: &Row, record: &mut Record) -> Result<(), String> {
    if line.len() < COLUMNS {
        return Err(format!(
            "has {}; expected {COLUMNS}: timestamp, key, key size, value size, client, operation, TTL",
            columns_in_words(line.len())
        ));
    }
    let [time, key, key_size, value_size, _client, operation, ttl] = columns(line);
    let seconds = |what: &str, field: &[u8]| {
        fields::milliseconds(field, TimeUnit::S)
            .ok_or_else(|| format!("the {what} is {}; expected a number of seconds, 0 or more", shown(field)))
    };
    record.time_ms = seconds("timestamp", time)?;
    let key_bytes = usize::try_from(bytes("key size", key_size)?).unwrap_or(usize::MAX);
    check_key(key.len())?;
    check_key(key_bytes.max(1))?;
    record.key.clear();
    record.key.extend_from_slice(key);
    record.key.resize(key_bytes.max(key.len()), PADDING);
    record.op = op(operation)?;
    let value_bytes = bytes("value size", value_size)?;
    record.value_bytes = Some(value_bytes).filter(|&bytes| bytes > 0 || record.op != Op::Get);
    record.ttl_ms = Some(seconds("TTL", ttl)?).filter(|&ttl| ttl > 0);
    Ok(())
}

/// The columns of a line that has them all. What is more than that belongs to the key, which is never quoted.
fn columns(line: &Row) -> [&[u8]; COLUMNS] {
    let more = line.len() - COLUMNS;
    std::array::from_fn(|column| match column {
        0 => line.field(0),
        1 => line.span(1, 1 + more),
        _ => line.field(column + more),
    })
}

/// Whether a line may be one of this format.
pub(super) fn is_one(line: &Row) -> bool {
    if line.len() < COLUMNS {
        return false;
    }
    let [time, _, key_size, value_size, _, operation, ttl] = columns(line);
    let are_numbers =
        [time, key_size, value_size, ttl].into_iter().all(|field| fields::whole(field).is_some());
    are_numbers && fields::op(operation).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::options::Delimiter;
    use super::*;

    fn read_all(text: &str) -> Result<Vec<Record>, String> {
        let dialect = Dialect { delimiter: Delimiter::Byte(b','), quote: None, comment: Some(b'#') };
        let mut reader = Reader::new(Source::of(text.as_bytes()), dialect);
        let (mut records, mut record) = (Vec::new(), Record::default());
        while reader.read(&mut record).map_err(|error| error.to_string())? == Step::Record {
            records.push(record.clone());
        }
        Ok(records)
    }

    #[test]
    fn a_line_is_a_request_with_a_key_of_the_recorded_size() {
        let records = read_all("0,n:\"u,5,0,3,gets,0\n7,n:u,3,12,3,set,240\n").unwrap();
        let get = Record { key: b"n:\"u.".to_vec(), ..Record::default() };
        let set = Record {
            time_ms: 7000,
            key: b"n:u".to_vec(),
            value_bytes: Some(12),
            ttl_ms: Some(240_000),
            op: Op::Set,
        };
        assert_eq!(records, [get, set]);
    }

    #[test]
    fn a_key_may_hold_commas() {
        let keys: Vec<Vec<u8>> = read_all("0,a,b,3,0,3,get,0\n0,,\"x,,4,0,3,get,0\n0,a,1,0,3,get,0\n")
            .unwrap()
            .into_iter()
            .map(|record| record.key)
            .collect();
        assert_eq!(keys, [&b"a,b"[..], b",\"x,", b"a"]);
    }

    #[test]
    fn a_wrong_line_is_told_by_number_with_what_was_expected() {
        let refused = |line: &str| read_all(&format!("0,k,1,1,1,get,0\n{line}\n")).unwrap_err();
        assert!(refused("0,k,1,1,1,get").starts_with("trace, line 2: has 6 columns; expected 7"));
        assert!(refused("0,k,1,-1,1,get,0").starts_with("trace, line 2: the value size is \"-1\""));
        assert!(refused("0,k,-1,1,1,get,0").starts_with("trace, line 2: the key size is \"-1\""));
        assert!(refused("0,k,99999,1,1,get,0").starts_with("trace, line 2: the key has 99999 bytes"));
        assert!(refused("0,k,1,1,1,flush,0").starts_with("trace, line 2: the operation is \"flush\""));
        assert!(refused("x,k,1,1,1,get,0").starts_with("trace, line 2: the timestamp is \"x\""));
    }
}
