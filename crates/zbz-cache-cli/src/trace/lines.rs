//! One key a line: every line is a get. Times, sizes and TTLs are not known.
//!
//! Empty lines at the end are passed over, as editors leave them; one before that may be a key that was lost.

use super::rows::{Lines, is_blank};
use super::source::Source;
use super::{MAX_KEY_BYTES, Op, Place, Record, Records, Step, TraceError};

pub(super) struct Reader {
    lines: Lines,
    comment: Option<u8>,
}

impl Reader {
    pub(super) fn new(source: Source, comment: Option<u8>) -> Self {
        Reader { lines: Lines::new(source), comment }
    }

    /// Makes the next line that is no comment the key; false at the end. Answers the place of an empty line before it.
    fn read_key(&mut self, key: &mut Vec<u8>) -> Result<(bool, Option<Place>), TraceError> {
        let mut empty = None;
        loop {
            key.clear();
            if !self.lines.read(key, MAX_KEY_BYTES)? {
                return Ok((false, empty));
            }
            let first = key.first().copied();
            if first.is_some() && first == self.comment {
                continue;
            }
            if first.is_some_and(|first| !first.is_ascii_whitespace()) || !is_blank(key) {
                return Ok((true, empty));
            }
            empty = empty.or(Some(self.lines.place()));
        }
    }
}

impl Records for Reader {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        match self.read_key(&mut record.key)? {
            (false, _) => return Ok(Step::End),
            (true, None) => {}
            (true, Some(place)) => {
                let problem = "the line is empty; expected a key, since more of them follow";
                return Err(self.lines.error(place, problem));
            }
        }
        (record.time_ms, record.value_bytes, record.ttl_ms, record.op) = (0, None, None, Op::Get);
        Ok(Step::Record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<Vec<String>, String> {
        let mut reader = Reader::new(Source::of(bytes), Some(b'#'));
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
    fn comments_and_empty_lines_at_the_end_are_no_keys() {
        for text in ["a\nb\n\n", "a\r\nb\r\n\r\n \r\n", "# keys\na\n# more\nb\n\n\n", "\u{FEFF}a\nb\n\n# end"]
        {
            assert_eq!(read_all(text.as_bytes()), Ok(vec!["a".into(), "b".into()]), "{text:?}");
        }
    }

    #[test]
    fn an_empty_line_between_keys_and_one_too_long_are_told_by_number() {
        let message = read_all(b"a\n\n\nb\n").unwrap_err();
        assert!(message.starts_with("trace, line 2: the line is empty; expected a key"), "{message}");
        let mut long = b"a\n".to_vec();
        long.resize(2 + MAX_KEY_BYTES, b'x');
        assert!(read_all(&long).is_ok());
        long.push(b'x');
        assert!(read_all(&long).unwrap_err().starts_with("trace, line 2: the line is longer"));
        long.resize(1 << 20, b'x');
        assert!(read_all(&long).unwrap_err().starts_with("trace, line 2: the line is longer"));
    }
}
