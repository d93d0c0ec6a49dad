//! The 16,384 slots of a cluster: the slot of a key, and the owners of slots.

use redis::{ServerError, Value};

use crate::providers::redis::config::address::Address;

pub(in crate::providers::redis) const SLOTS: u16 = 16_384;

const CRC16: [u16; 256] = crc16_table();

/// CRC-16 of the polynomial x^16 + x^12 + x^5 + 1, as in Redis (XMODEM).
const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The slot of a key: that of the text between its first `{` and the next `}`, if there is any.
pub(in crate::providers::redis) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let len = rest.iter().position(|&byte| byte == b'}')?;
        (len > 0).then(|| &rest[..len])
    });
    let crc = tag
        .unwrap_or(key)
        .iter()
        .fold(0_u16, |crc, &byte| crc << 8 ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)]);
    crc % SLOTS
}

/// A run of slots and the primary that owns them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::providers::redis) struct Range {
    pub(in crate::providers::redis) first: u16,
    pub(in crate::providers::redis) last: u16,
    pub(in crate::providers::redis) primary: Address,
}

/// Parses a reply to `CLUSTER SLOTS`; `None` if it is malformed. `asked` is the server that sent it: a
/// server that does not know its own host leaves the host out.
pub(in crate::providers::redis) fn read_ranges(answer: &Value, asked: &Address) -> Option<Vec<Range>> {
    let Value::Array(ranges) = answer else { return None };
    let ranges: Option<Vec<Range>> = ranges
        .iter()
        .map(|range| {
            let Value::Array(parts) = range else { return None };
            let [first, last, Value::Array(primary), ..] = parts.as_slice() else { return None };
            let (first, last) = (read_slot(first)?, read_slot(last)?);
            let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
            let host = match host {
                Value::BulkString(host) if !host.is_empty() && host != b"?" => {
                    String::from_utf8(host.clone()).ok()?
                }
                _ => asked.host.clone(),
            };
            let primary = Address { host, port: u16::try_from(*port).ok()? };
            (first <= last).then_some(Range { first, last, primary })
        })
        .collect();
    ranges.filter(|ranges| !ranges.is_empty())
}

fn read_slot(value: &Value) -> Option<u16> {
    match value {
        Value::Int(slot) => u16::try_from(*slot).ok().filter(|slot| *slot < SLOTS),
        _ => None,
    }
}

/// Parses `MOVED 3999 host:port`. A server that does not know its own host leaves the host out.
pub(in crate::providers::redis) fn redirection(error: &ServerError, asked: &Address) -> Option<Address> {
    let to = error.details()?.split_ascii_whitespace().nth(1)?;
    let (host, port) = to.rsplit_once(':')?;
    let host = if host.is_empty() || host == "?" { &asked.host } else { host.trim_matches(['[', ']']) };
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some(Address { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // As `CLUSTER KEYSLOT` answers.
        let cases: [(&[u8], u16); 8] = [
            (b"123456789", 12_739),
            (b"foo", 12_182),
            (b"bar", 5_061),
            (b"{user1000}.following", 3_443),
            (b"{user1000}.followers", 3_443),
            (b"foo{}{bar}", 8_363),
            (b"foo{{bar}}zap", 4_015),
            (b"foo{bar}{zap}", 5_061),
        ];
        for (key, slot) in cases {
            assert_eq!(slot_of(key), slot, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn ranges_are_read_and_nonsense_is_not() {
        let asked = Address::parse("seed:7000").unwrap();
        let read = |text: &str| read_ranges(&redis::parse_redis_value(text.as_bytes()).unwrap(), &asked);
        let ranges = read(
            "*2\r\n*3\r\n:0\r\n:8191\r\n*3\r\n$3\r\none\r\n:7001\r\n$2\r\nid\r\n\
             *3\r\n:8192\r\n:16383\r\n*2\r\n$-1\r\n:7002\r\n",
        );
        let ranges = ranges.unwrap();
        let owners: Vec<_> = ranges.iter().map(|range| range.primary.to_string()).collect();
        assert_eq!(owners, ["one:7001", "seed:7002"]);
        for nonsense in
            ["*0\r\n", "+OK\r\n", "*1\r\n:1\r\n", "*1\r\n*3\r\n:9\r\n:99999\r\n*2\r\n$1\r\na\r\n:1\r\n"]
        {
            assert_eq!(read(nonsense), None, "{nonsense:?}");
        }
    }
}
