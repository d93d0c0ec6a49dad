//! The keys and values every contestant is given, and the check of what it hands back.
//!
//! A key is 16 bytes made from its number, so no table of keys competes for the processor's caches. A value is a
//! function of its key: the key itself, a body, and a seal over the key in the last eight bytes.
//!
//! ```text
//! value   | key, 16 bytes | body, value_bytes - 24 | seal, 8 bytes |
//! ```

/// A key as handed to every contestant.
pub type Key = [u8; KEY_BYTES];

/// Bytes of every key.
pub const KEY_BYTES: usize = 16;

/// Bytes of the smallest value that can carry its key and seal.
pub const MIN_VALUE_BYTES: usize = KEY_BYTES + SEAL_BYTES;

const SEAL_BYTES: usize = 8;
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The key with this number; different numbers give different keys.
#[inline]
pub fn key_of(number: u64) -> Key {
    let mut key = [0; KEY_BYTES];
    // An odd factor is a bijection of 64-bit numbers, so keys never repeat.
    key[..8].copy_from_slice(&number.wrapping_mul(SPREAD).to_le_bytes());
    key[8..].copy_from_slice(&(!number).to_le_bytes());
    key
}

/// Fills `value` with what belongs to `key`.
///
/// `value` must hold at least [`MIN_VALUE_BYTES`].
#[inline]
pub fn write_value(key: &Key, value: &mut [u8]) {
    let seal = seal_of(key);
    let end = value.len() - SEAL_BYTES;
    value[..KEY_BYTES].copy_from_slice(key);
    write_body(seal, &mut value[KEY_BYTES..end]);
    value[end..].copy_from_slice(&seal.to_le_bytes());
}

/// Whether both ends of `value` belong to `key`: cheap enough for every timed get.
#[inline]
pub fn ends_match(key: &Key, value: &[u8], value_bytes: usize) -> bool {
    value.len() == value_bytes
        && value[..KEY_BYTES] == key[..]
        && value[value_bytes - SEAL_BYTES..] == seal_of(key).to_le_bytes()
}

/// Whether every byte of `value` belongs to `key`.
pub fn matches_wholly(key: &Key, value: &[u8], value_bytes: usize) -> bool {
    if !ends_match(key, value, value_bytes) {
        return false;
    }
    let body = &value[KEY_BYTES..value_bytes - SEAL_BYTES];
    let seal = seal_of(key);
    body.chunks(8).zip(1u64..).all(|(chunk, position)| *chunk == body_word(seal, position)[..chunk.len()])
}

fn write_body(seal: u64, body: &mut [u8]) {
    for (chunk, position) in body.chunks_mut(8).zip(1u64..) {
        let length = chunk.len();
        chunk.copy_from_slice(&body_word(seal, position)[..length]);
    }
}

#[inline]
fn body_word(seal: u64, position: u64) -> [u8; 8] {
    seal.wrapping_add(position.wrapping_mul(SPREAD)).to_le_bytes()
}

#[inline]
fn seal_of(key: &Key) -> u64 {
    let mut halves = [0u64; 2];
    for (half, bytes) in halves.iter_mut().zip(key.chunks_exact(8)) {
        let mut word = [0; 8];
        word.copy_from_slice(bytes);
        *half = u64::from_le_bytes(word);
    }
    (halves[0] ^ halves[1].rotate_left(32)).wrapping_mul(SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(number: u64, value_bytes: usize) -> Vec<u8> {
        let mut value = vec![0; value_bytes];
        write_value(&key_of(number), &mut value);
        value
    }

    #[test]
    fn a_value_matches_its_own_key_at_every_length() {
        for value_bytes in MIN_VALUE_BYTES..200 {
            assert!(matches_wholly(&key_of(7), &value_of(7, value_bytes), value_bytes));
        }
    }

    #[test]
    fn a_value_of_another_key_is_refused() {
        assert!(!ends_match(&key_of(7), &value_of(8, 64), 64));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for position in 0..64 * 8 {
            let mut value = value_of(9, 64);
            value[position / 8] ^= 1 << (position % 8);
            assert!(!matches_wholly(&key_of(9), &value, 64), "bit {position}");
        }
    }

    #[test]
    fn a_shortened_value_is_refused() {
        assert!(!matches_wholly(&key_of(9), &value_of(9, 64)[..63], 64));
        assert!(!matches_wholly(&key_of(9), &[], 64));
    }
}
