//! Files that are no traces, and that people take for some: what they are, and how to make a trace of them.

use super::super::format;

/// The first bytes of a file of another kind, its name, and advice.
const OTHERS: [(&[u8], &str, &str); 16] = [
    (b"\xFD7zXZ\0", "is compressed with xz", "decompress it first: xz -d"),
    (b"BZh", "is compressed with bzip2", "decompress it first: bzip2 -d"),
    (b"\x04\x22\x4D\x18", "is compressed with lz4", "decompress it first: lz4 -d"),
    (b"\x02\x21\x4C\x18", "is compressed with lz4", "decompress it first: lz4 -d"),
    (b"\xFF\x06\0\0sNaPpY", "is compressed with snappy", "decompress it first"),
    (b"\x1F\x9D", "is compressed with compress", "decompress it first: uncompress"),
    (b"LZIP\x01", "is compressed with lzip", "decompress it first: lzip -d"),
    (b"7z\xBC\xAF\x27\x1C", "is a 7z archive", "unpack it first: 7z x"),
    (b"PK\x03\x04", "is a zip archive", "unpack it first: unzip"),
    (b"PAR1", "is a Parquet file", "write it as CSV first"),
    (b"ARROW1", "is an Arrow file", "write it as CSV first"),
    (b"SQLite format 3\0", "is an SQLite database", "write a query's result as CSV first"),
    (b"\x28\xB5\x2F\xFD", "is compressed twice", "undo one of the two first: zstd -d"),
    (b"\x1F\x8B\x08", "is compressed twice", "undo one of the two first: gzip -d"),
    (b"version https://git-lfs", "stands in for a file that Git LFS has", "fetch that one: git lfs pull"),
    (b"%PDF-", "is a PDF document", "expected a trace"),
];

/// Where an archive of tar says so.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// The error of a file with these first (uncompressed) bytes, if it is known not to be a trace.
pub(super) fn problem(head: &[u8]) -> Option<String> {
    let is_it = |magic: &[u8]| match magic {
        // Letters may be a key, and these formats go on with bytes that are no text.
        b"PAR1" | b"ARROW1" => head.starts_with(magic) && !format::may_be_text(head),
        b"BZh" => matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', ..]),
        _ => head.starts_with(magic),
    };
    if let Some((_, what, hint)) = OTHERS.into_iter().find(|(magic, ..)| is_it(magic)) {
        return Some(format!("{what}; {hint}"));
    }
    let (at, mark) = TAR;
    if head.get(at..).is_some_and(|rest| rest.starts_with(mark)) {
        return Some("is a tar archive; unpack it first: tar -xf".to_owned());
    }
    if is_utf16(head) {
        return Some("is UTF-16 text; make it UTF-8 first: iconv -f UTF-16 -t UTF-8".to_owned());
    }
    let text = head.trim_ascii_start();
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|begun| begun.eq_ignore_ascii_case(tag));
    if begins(b"<!doctype html") || begins(b"<html") {
        return Some(
            "is a web page, maybe one that tells why a download failed; expected a trace".to_owned(),
        );
    }
    None
}

/// Whether it is text of two bytes a character, with a mark at its front or of plain letters.
fn is_utf16(head: &[u8]) -> bool {
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return true;
    }
    let (pairs, _) = head.as_chunks::<2>();
    let of_letters = |letter: usize| {
        let is_letter = |pair: &[u8; 2]| pair[1 - letter] == 0 && matches!(pair[letter], b'\t'..=b'~');
        pairs.len() >= 8 && pairs.iter().take(64).all(is_letter)
    };
    of_letters(0) || of_letters(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_files_are_named_with_what_to_do() {
        let told = |head: &[u8]| problem(head).unwrap();
        assert!(told(b"\xFD7zXZ\0\0").contains("xz -d"));
        assert!(told(b"BZh91AY&SY").contains("bzip2 -d"));
        assert!(told(b"\n <!DOCTYPE HTML><html>").contains("web page"));
        let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
        assert!(told(&tar).contains("tar -xf"));
        let utf16: Vec<u8> = "time,key\n1,a\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(told(&utf16).contains("iconv"));
        assert!(told(b"PAR1\x15\x04\x15").contains("Parquet") && told(b"ARROW1\0\0").contains("Arrow"));
        for trace in [
            &b"BZh\nBZi\n"[..],
            b"PAR1-LHR\nPAR1-CDG\n",
            b"ARROW1x\n",
            b"PAR1\r\n",
            b"time,key\n",
            b"",
            &[0; 48],
        ] {
            assert_eq!(problem(trace), None, "{trace:?}");
        }
    }
}
