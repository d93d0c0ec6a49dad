//! libCacheSim's oracleGeneral: packed little-endian records.
//!
//! ```text
//! byte 0      4             12       16                     24
//! | time u32 | object u64  | size u32 | next request i64     |
//!   seconds                  bytes      its index; < 0: none
//! ```
//!
//! The key is the object's eight bytes. A size of 1 stands for "not known". The index of the next request for the same
//! object is of no use here, but it tells a trace from other data: it is beyond the record's own index.

use super::source::Source;
use super::{Op, Place, Record, Records, Step, TraceError};

/// Bytes of a record.
pub(super) const RECORD_BYTES: usize = 24;

/// The original writer's number for "none", besides negative ones.
const NO_NEXT: i64 = i64::MAX;

pub(super) struct Reader {
    source: Source,
    /// Records read so far.
    count: u64,
}

impl Reader {
    pub(super) fn new(source: Source) -> Self {
        Reader { source, count: 0 }
    }

    fn place(&self) -> Place {
        Place::Record { number: self.count + 1, offset: self.count * RECORD_BYTES as u64 }
    }

    /// The bytes of the next record, or `None` at the end.
    fn next_bytes(&mut self) -> Result<Option<[u8; RECORD_BYTES]>, TraceError> {
        let place = self.place();
        if let Some(bytes) = self.source.head(place)?.first_chunk().copied() {
            self.source.advance(RECORD_BYTES);
            return Ok(Some(bytes));
        }
        let mut bytes = [0; RECORD_BYTES];
        match self.source.read_up_to(&mut bytes, place)? {
            0 => Ok(None),
            RECORD_BYTES => Ok(Some(bytes)),
            short => {
                let problem = format!(
                    "the file ends after {short} of the {RECORD_BYTES} bytes of an oracleGeneral record; \
                     it is cut short or of another format"
                );
                Err(self.source.error(place, problem))
            }
        }
    }
}

impl Records for Reader {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        let Some(bytes) = self.next_bytes()? else { return Ok(Step::End) };
        let [t0, t1, t2, t3, object @ .., s0, s1, s2, s3, n0, n1, n2, n3, n4, n5, n6, n7] = bytes;
        let next = i64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
        if !is_next(next, self.count) {
            let problem = format!(
                "expected an oracleGeneral record, but its last field, the number of the next request for the same \
                 object, is {next}"
            );
            return Err(self.source.error(self.place(), problem));
        }
        let size = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        record.time_ms = u64::from(u32::from_le_bytes([t0, t1, t2, t3])) * 1000;
        record.key.clear();
        record.key.extend_from_slice(&object);
        record.value_bytes = (size != 1).then_some(size);
        record.ttl_ms = None;
        record.op = Op::Get;
        self.count += 1;
        Ok(Step::Record)
    }
}

/// Whether these bytes may be the beginning of an oracleGeneral trace: more than one record says so where there is more.
pub(super) fn may_begin(head: &[u8]) -> bool {
    let (records, rest) = head.as_chunks::<RECORD_BYTES>();
    let plausible = |(index, record): (usize, &[u8; RECORD_BYTES])| {
        let next = record.last_chunk().map_or(0, |next| i64::from_le_bytes(*next));
        is_next(next, index as u64)
    };
    match records {
        [] => !rest.is_empty(),
        records => records.iter().take(16).enumerate().all(plausible),
    }
}

/// Whether these bytes begin with at least one whole record, and with nothing else as far as can be seen.
pub(super) fn has_records(head: &[u8]) -> bool {
    head.len() >= RECORD_BYTES && may_begin(head)
}

fn is_next(next: i64, index: u64) -> bool {
    next == NO_NEXT
        || (-2..0).contains(&next)
        || u64::try_from(next).is_ok_and(|next| next > index && next < 1 << 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(time: u32, object: u64, size: u32, next: i64) -> Vec<u8> {
        let mut bytes = time.to_le_bytes().to_vec();
        bytes.extend(object.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(next.to_le_bytes());
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<Record>, String> {
        let mut reader = Reader::new(Source::of(bytes));
        let (mut records, mut record) = (Vec::new(), Record::default());
        while reader.read(&mut record).map_err(|error| error.to_string())? == Step::Record {
            records.push(record.clone());
        }
        Ok(records)
    }

    #[test]
    fn a_record_is_time_object_and_size_and_a_size_of_one_is_unknown() {
        let bytes = [record(2, 7, 1, 1), record(3, 7, 500, -1)].concat();
        let key = 7u64.to_le_bytes().to_vec();
        let unknown = Record { time_ms: 2000, key, ..Record::default() };
        let known = Record { time_ms: 3000, value_bytes: Some(500), ..unknown.clone() };
        assert_eq!(read_all(&bytes), Ok(vec![unknown, known]));
    }

    #[test]
    fn a_record_cut_short_is_told_with_its_place() {
        let bytes = [record(0, 1, 1, -1), record(0, 2, 1, -1)].concat();
        let message = read_all(&bytes[..bytes.len() - 5]).unwrap_err();
        assert!(
            message.starts_with("trace, record 2 at byte 24: the file ends after 19 of the 24"),
            "{message}"
        );
    }

    #[test]
    fn other_data_is_told_by_a_next_request_that_does_not_come_after() {
        let bytes = [record(0, 1, 1, 1), record(0, 1, 1, 1)].concat();
        let message = read_all(&bytes).unwrap_err();
        assert!(message.starts_with("trace, record 2 at byte 24: "), "{message}");
        assert!(!may_begin(b"0,some key that is text,10,20,3,get,0\n"));
        assert!(may_begin(&bytes[..30]));
    }
}
