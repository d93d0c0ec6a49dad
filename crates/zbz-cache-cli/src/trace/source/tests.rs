use std::io::Write;

use super::*;

const TEXT: &[u8] = b"one\ntwo\nthree\n";

/// Two frames of [`TEXT`], each with its checksum, after one that holds no data.
fn zstd() -> Vec<u8> {
    let frame = ruzstd::encoding::compress_to_vec(TEXT, ruzstd::encoding::CompressionLevel::Fastest);
    let skipped = [&[0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
    [&skipped[..], &frame, &frame].concat()
}

fn gzip() -> Vec<u8> {
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    member.write_all(TEXT).unwrap();
    member.finish().unwrap().repeat(2)
}

fn read_all(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut source = Source::of(bytes);
    let mut all = vec![0; 1000];
    let count = source.read_up_to(&mut all, Place::Line(1)).map_err(|error| error.to_string())?;
    all.truncate(count);
    Ok(all)
}

#[test]
fn plain_zstd_and_gzip_are_told_apart_and_read_to_their_end() {
    assert_eq!(read_all(TEXT).unwrap(), TEXT);
    assert_eq!(read_all(&zstd()).unwrap(), TEXT.repeat(2));
    assert_eq!(read_all(&gzip()).unwrap(), TEXT.repeat(2));
}

#[test]
fn compressed_data_cut_short_anywhere_is_told_with_its_place() {
    for whole in [zstd(), gzip()] {
        // A cut between two frames or members cannot be seen.
        let cuts = (whole.len() / 2 + 12..whole.len()).chain(4..20);
        for cut in cuts {
            match read_all(&whole[..cut]) {
                Err(message) => assert!(message.starts_with("trace, line 1: the "), "{cut}: {message}"),
                Ok(read) => assert!(read == TEXT || read.is_empty(), "{cut}: {read:?}"),
            }
        }
    }
}

#[test]
fn a_damaged_checksum_is_told() {
    let mut bytes = zstd();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let message = read_all(&bytes).unwrap_err();
    assert!(message.contains("checksum"), "{message}");
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_told_by_name() {
    let message = |path: &str| Source::open(Path::new(path), None).err().unwrap().to_string();
    assert_eq!(message("no/such.zst"), "no/such.zst: cannot be opened: there is no such file");
    assert!(message(".").starts_with(".: is a folder"));
    assert!(message("-").contains("standard input"));
}
