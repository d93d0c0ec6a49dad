//! Twitter's cache-trace: seven columns, no header.
//!
//! `timestamp in s, anonymized key, key size, value size, client, operation, TTL in s`
//!
//! The key is padded to the recorded size where anonymizing shortened it. A read that found nothing has a value size of
//! zero, which stands for "not known"; reads have a TTL of zero, which stands for "none given".

use super::csv::{bytes, check_key, columns_in_words, op};
use super::fields::{self, TimeUnit, shown};
use super::source::Source;
use super::{Op, Place, Record, Records, Step, TraceError};

const COLUMNS: usize = 7;

const PADDING: u8 = b'.';

pub(super) struct Reader {
    csv: ::csv::Reader<Source>,
    line: ::csv::ByteRecord,
}

impl Reader {
    pub(super) fn new(source: Source) -> Self {
        let csv =
            ::csv::ReaderBuilder::new().has_headers(false).flexible(true).quoting(false).from_reader(source);
        Reader { csv, line: ::csv::ByteRecord::new() }
    }
}

impl Records for Reader {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        match self.csv.read_byte_record(&mut self.line) {
            Ok(true) => {}
            Ok(false) => return Ok(Step::End),
            Err(error) => {
                let place = Place::Line(self.csv.position().line());
                return Err(match error.kind() {
                    ::csv::ErrorKind::Io(error) => self.csv.get_ref().unreadable(place, error),
                    _ => self.csv.get_ref().error(place, error.to_string()),
                });
            }
        }
        parse(&self.line, record).map_err(|problem| {
            let line = self.line.position().map_or(0, ::csv::Position::line);
            self.csv.get_ref().error(Place::Line(line), problem)
        })?;
        Ok(Step::Record)
    }
}

fn parse(line: &::csv::ByteRecord, record: &mut Record) -> Result<(), String> {
    let mut columns = [&b""[..]; COLUMNS];
    if line.len() != COLUMNS {
        return Err(format!(
            "has {}; expected {COLUMNS}: timestamp, key, key size, value size, client, operation, TTL",
            columns_in_words(line.len())
        ));
    }
    for (column, field) in columns.iter_mut().zip(line) {
        *column = field;
    }
    let [time, key, key_size, value_size, _client, operation, ttl] = columns;
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

/// Whether a first line may be one of this format.
pub(super) fn may_begin(line: &[u8]) -> bool {
    let columns: Vec<&[u8]> = line.split(|&byte| byte == b',').collect();
    match columns[..] {
        [time, _key, key_size, value_size, _client, operation, ttl] => {
            let numbers = [time, key_size, value_size, ttl];
            numbers.iter().all(|number| fields::whole(number).is_some()) && fields::op(operation).is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Result<Vec<Record>, String> {
        let mut reader = Reader::new(Source::of(text.as_bytes()));
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
