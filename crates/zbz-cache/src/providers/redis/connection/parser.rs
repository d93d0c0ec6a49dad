//! [`Frames`]: cuts a server's bytes into whole replies.
//!
//! Bytes come in pieces. A reply is measured first, header by header, and no byte is measured twice.
//! Once it is complete it is parsed: the usual kinds here, the others by the parser of the crate
//! `redis`. The buffer grows with the bytes that came, never with the length a header announces: to
//! what the next piece needs, and at most to double.

use redis::Value;

/// The usual space for one read; the longest header line; the most capacity that is kept.
const PIECE: usize = 16 * 1024;
const MAX_LINE: usize = 64 * 1024;
const KEPT: usize = 256 * 1024;

/// The deepest nesting parsed here; deeper replies go to the parser of `redis`, which has a bound.
const DEPTH: usize = 4;

/// Bytes that are not RESP.
#[derive(Debug, PartialEq)]
pub(in crate::providers::redis) struct Malformed;

/// A buffer of received bytes whose replies were not taken yet.
pub(in crate::providers::redis) struct Frames {
    bytes: Vec<u8>,
    /// The current reply begins at `from` and is measured up to `measured`; bytes have come up to `to`.
    from: usize,
    measured: usize,
    to: usize,
    /// How many values of the current reply are not measured yet.
    missing: usize,
    /// Measuring cannot go on before bytes have come up to here.
    need: usize,
}

impl Frames {
    pub(in crate::providers::redis) fn new() -> Frames {
        Frames { bytes: vec![0; PIECE], from: 0, measured: 0, to: 0, missing: 1, need: 0 }
    }

    /// Space for the next bytes.
    pub(in crate::providers::redis) fn room(&mut self) -> &mut [u8] {
        if self.from == self.to {
            (self.from, self.measured, self.need, self.to) = (0, 0, 0, 0);
            if self.bytes.len() > KEPT {
                self.bytes = vec![0; PIECE];
            }
        }
        let free = self.bytes.len() - self.to;
        if free < PIECE / 4 || self.need > self.bytes.len() {
            self.bytes.copy_within(self.from..self.to, 0);
            let moved = self.from;
            (self.from, self.measured, self.to) = (0, self.measured - moved, self.to - moved);
            self.need = self.need.saturating_sub(moved);
            if self.bytes.len() - self.to < PIECE / 4 || self.need > self.bytes.len() {
                let most = (self.to * 2).max(self.to + PIECE);
                let room =
                    if self.need > self.to { self.need.clamp(self.to + PIECE / 4, most) } else { most };
                // No more than needed: a large reply is seldom followed by a larger one.
                self.bytes.reserve_exact(room.saturating_sub(self.bytes.len()));
                self.bytes.resize(room.max(self.bytes.len()), 0);
            }
        }
        &mut self.bytes[self.to..]
    }

    /// `count` bytes were written into `room`.
    pub(in crate::providers::redis) fn came(&mut self, count: usize) {
        self.to += count;
    }

    /// The first bytes, enough to recognize another protocol.
    pub(in crate::providers::redis) fn beginning(&self) -> &[u8] {
        let there = &self.bytes[self.from..self.to];
        &there[..there.len().min(8)]
    }

    /// The next reply, if all of it has come.
    pub(in crate::providers::redis) fn next(&mut self) -> Result<Option<Value>, Malformed> {
        while self.missing > 0 {
            if self.to < self.need || !self.measure()? {
                return Ok(None);
            }
        }
        let frame = &self.bytes[self.from..self.measured];
        let mut rest = frame;
        let value = match read(&mut rest, 0) {
            Some(value) => value,
            None => redis::parse_redis_value(frame).map_err(|_| Malformed)?,
        };
        (self.from, self.missing) = (self.measured, 1);
        Ok(Some(value))
    }

    /// Measures one value, or the header of an aggregate. False if more bytes are needed.
    fn measure(&mut self) -> Result<bool, Malformed> {
        let there = &self.bytes[self.measured..self.to];
        let Some(line) = line(there) else {
            return if there.len() > MAX_LINE { Err(Malformed) } else { Ok(false) };
        };
        let header = line.len() + 2;
        let (sign, text) = line.split_first().ok_or(Malformed)?;
        let number = || number(text).ok_or(Malformed);
        let (len, inner) = match sign {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => (header, 0),
            b'$' => match number()? {
                -1 => (header, 0),
                len => (header + size(len)? + 2, 0),
            },
            b'=' | b'!' => (header + size(number()?)? + 2, 0),
            b'*' => match number()? {
                -1 => (header, 0),
                count => (header, size(count)?),
            },
            b'~' | b'>' => (header, size(number()?)?),
            b'%' => (header, size(number()?)? * 2),
            // An attribute of the value that follows.
            b'|' => (header, size(number()?)? * 2 + 1),
            _ => return Err(Malformed),
        };
        if len > there.len() {
            self.need = self.measured + len;
            return Ok(false);
        }
        if len > header && there[len - 2..len] != *b"\r\n" {
            return Err(Malformed);
        }
        self.measured += len;
        self.missing = (self.missing - 1).checked_add(inner).ok_or(Malformed)?;
        Ok(true)
    }
}

/// The bytes up to the first line end.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|&byte| byte == b'\r')?;
    match bytes.get(end + 1)? {
        b'\n' => Some(&bytes[..end]),
        _ => {
            let rest = bytes[end + 1..].windows(2).position(|two| two == b"\r\n")?;
            Some(&bytes[..end + 1 + rest])
        }
    }
}

fn number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -number } else { number })
}

/// A length or a count. `None` for one that no machine could hold, so that sums cannot overflow.
fn size(number: i64) -> Result<usize, Malformed> {
    usize::try_from(number).ok().filter(|&size| size <= usize::MAX >> 16).ok_or(Malformed)
}

/// Parses one value of the usual kinds off the front of a complete reply. `None`: another kind.
fn read(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    let line = line(bytes)?;
    let (&sign, text) = line.split_first()?;
    *bytes = &bytes[line.len() + 2..];
    match sign {
        b'+' if text == b"OK" => Some(Value::Okay),
        b':' => number(text).map(Value::Int),
        b'_' => Some(Value::Nil),
        b'$' => match number(text)? {
            -1 => Some(Value::Nil),
            len => {
                let (value, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
                *bytes = rest.get(2..)?;
                Some(Value::BulkString(value.to_vec()))
            }
        },
        b'*' if depth < DEPTH => match number(text)? {
            -1 => Some(Value::Nil),
            count => {
                let mut values = Vec::with_capacity(usize::try_from(count).ok()?.min(bytes.len()));
                for _ in 0..count {
                    values.push(read(bytes, depth + 1)?);
                }
                Some(Value::Array(values))
            }
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses bytes that come in pieces of this length.
    fn read_all(bytes: &[u8], piece: usize) -> Result<Vec<Value>, Malformed> {
        let (mut frames, mut values) = (Frames::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            let room = frames.room();
            let count = piece.len().min(room.len());
            assert_eq!(count, piece.len(), "there is room");
            room[..count].copy_from_slice(piece);
            frames.came(count);
            while let Some(value) = frames.next()? {
                values.push(value);
            }
        }
        Ok(values)
    }

    const ANSWERS: [&str; 20] = [
        "+OK\r\n",
        "+PONG\r\n",
        "-ERR no\r\n",
        "-\r\n",
        ":0\r\n",
        ":-9223372036854775808\r\n",
        "$-1\r\n",
        "$0\r\n\r\n",
        "$5\r\n\r\n$1\r\r\n",
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "(123\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*3\r\n$1\r\na\r\n$-1\r\n*2\r\n:1\r\n+OK\r\n",
        "%1\r\n+k\r\n*1\r\n_\r\n",
        "~1\r\n:1\r\n",
        ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n",
        "=7\r\ntxt:abc\r\n",
    ];

    #[test]
    fn answers_are_those_of_the_clients_parser_however_they_come() {
        let expected: Vec<Value> =
            ANSWERS.iter().map(|answer| redis::parse_redis_value(answer.as_bytes()).unwrap()).collect();
        let bytes = ANSWERS.concat().into_bytes();
        for piece in 1..=bytes.len() {
            assert_eq!(read_all(&bytes, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn large_answers_come_whole_and_their_room_goes() {
        let value = "v".repeat(3 << 20);
        let bytes = format!("*2\r\n${}\r\n{value}\r\n:7\r\n", value.len()).into_bytes();
        let expected = redis::parse_redis_value(&bytes).unwrap();
        let values = read_all(&bytes.repeat(3), PIECE / 4).unwrap();
        assert_eq!(values, [expected.clone(), expected.clone(), expected]);
        let mut frames = Frames::new();
        let mut most = 0;
        let mut came = 0;
        for piece in bytes.chunks(1000) {
            assert!(came == 0 || frames.next().unwrap().is_none());
            frames.room()[..piece.len()].copy_from_slice(piece);
            most = most.max(frames.bytes.capacity());
            frames.came(piece.len());
            came += piece.len();
        }
        assert!(most < bytes.len() + KEPT, "{most} bytes for {}", bytes.len());
        assert!(frames.next().unwrap().is_some());
        assert!(frames.room().len() <= KEPT);
    }

    #[test]
    fn what_no_server_says_is_refused_and_makes_no_room() {
        for garbage in [
            "\0\0\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "$-2\r\n",
            "$99999999999999999999\r\n",
            "*9223372036854775807\r\n",
            "%4611686018427387904\r\n",
            "|9223372036854775807\r\n",
            "=-1\r\n",
            "$1\r\nxyz",
            "$x\r\n",
            "*--1\r\n",
        ] {
            assert_eq!(read_all(garbage.as_bytes(), 7), Err(Malformed), "{garbage:?}");
        }
        assert_eq!(read_all(&b"*1\r\n".repeat(100_000), 1000), Ok(Vec::new()), "it could go on");
        let deep = [b"*1\r\n".repeat(1000), b":1\r\n".to_vec()].concat();
        assert_eq!(read_all(&deep, 1000), Err(Malformed));
        assert_eq!(read_all(&[b'+'; 2 * MAX_LINE], 1000), Err(Malformed));
        let mut frames = Frames::new();
        let announced = b"$1000000000\r\n";
        frames.room()[..announced.len()].copy_from_slice(announced);
        frames.came(announced.len());
        assert_eq!(frames.next(), Ok(None));
        assert!(frames.room().len() <= 2 * PIECE);
    }
}
