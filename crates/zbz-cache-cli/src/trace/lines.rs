//! One key a line: every line is a get. Times, sizes and TTLs are not known; a line ends with LF or CR LF.

use super::source::Source;
use super::{MAX_KEY_BYTES, Op, Place, Record, Records, Step, TraceError};

pub(super) struct Reader {
    source: Source,
    /// Lines read so far.
    count: u64,
}

impl Reader {
    pub(super) fn new(source: Source) -> Self {
        Reader { source, count: 0 }
    }

    /// Appends the rest of the line to `key` and answers whether there was a line at all.
    fn read_line(&mut self, key: &mut Vec<u8>) -> Result<bool, TraceError> {
        let place = Place::Line(self.count + 1);
        let mut begun = false;
        loop {
            let head = self.source.head(place)?;
            if head.is_empty() {
                return Ok(begun);
            }
            begun = true;
            let end = head.iter().position(|&byte| byte == b'\n');
            let part = &head[..end.unwrap_or(head.len())];
            // One byte more for the carriage return.
            if key.len() + part.len() > MAX_KEY_BYTES + 1 {
                return Err(too_long(&self.source, place));
            }
            key.extend_from_slice(part);
            let taken = part.len() + usize::from(end.is_some());
            self.source.advance(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

impl Records for Reader {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        record.key.clear();
        if !self.read_line(&mut record.key)? {
            return Ok(Step::End);
        }
        self.count += 1;
        if record.key.last() == Some(&b'\r') {
            record.key.pop();
        }
        let place = Place::Line(self.count);
        if record.key.is_empty() {
            return Err(self.source.error(place, "the line is empty; expected a key"));
        }
        if record.key.len() > MAX_KEY_BYTES {
            return Err(too_long(&self.source, place));
        }
        (record.time_ms, record.value_bytes, record.ttl_ms, record.op) = (0, None, None, Op::Get);
        Ok(Step::Record)
    }
}

fn too_long(source: &Source, place: Place) -> TraceError {
    source
        .error(place, format!("the line is longer than a key may be; expected at most {MAX_KEY_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<Vec<String>, String> {
        let mut reader = Reader::new(Source::of(bytes));
        let (mut keys, mut record) = (Vec::new(), Record::default());
        while reader.read(&mut record).map_err(|error| error.to_string())? == Step::Record {
            keys.push(String::from_utf8(record.key.clone()).unwrap());
        }
        Ok(keys)
    }

    #[test]
    fn every_line_is_a_key_with_or_without_a_line_end_at_the_end() {
        assert_eq!(read_all(b"a\nb c,d\r\na"), Ok(vec!["a".into(), "b c,d".into(), "a".into()]));
    }

    #[test]
    fn an_empty_line_and_one_too_long_are_told_by_number() {
        assert_eq!(read_all(b"a\n\nb\n").unwrap_err(), "trace, line 2: the line is empty; expected a key");
        let mut long = b"a\n".to_vec();
        long.resize(2 + MAX_KEY_BYTES, b'x');
        assert!(read_all(&long).is_ok());
        long.push(b'x');
        assert!(read_all(&long).unwrap_err().starts_with("trace, line 2: the line is longer"));
        long.resize(1 << 20, b'x');
        assert!(read_all(&long).unwrap_err().starts_with("trace, line 2: the line is longer"));
    }
}
