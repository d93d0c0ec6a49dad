//! Writes a trace into a file, as CSV or for other programs that read oracleGeneral.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use zbz_cache_cli::failure::Failure;
use zbz_cache_cli::json;
use zbz_cache_cli::progress::Progress;
use zbz_cache_cli::replay::clock::TraceClock;
use zbz_cache_cli::replay::input::Input;
use zbz_cache_cli::replay::survey;
use zbz_cache_cli::trace::{Op, Reading, Record, Step, Trace};

use crate::policy::{Foresight, Future};

/// Copies a trace; answers how many requests it has, and what it was taken for.
///
/// # Errors
///
/// The trace cannot be read, or the file not be written.
pub fn write(input: &Input, file: &Path) -> Result<(u64, Reading), Failure> {
    json::check_place(file)?;
    let kind = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let oracle = kind.eq_ignore_ascii_case("oracleGeneral");
    if !oracle && !kind.eq_ignore_ascii_case("csv") {
        let problem = format!("--write {}: give a name that ends in .csv or .oracleGeneral", file.display());
        return Err(Failure::Input(problem));
    }
    // Read once before the file is made: a trace that is wrong further on leaves no part of itself behind.
    let future = look_ahead(input)?;
    let unwritten = |error| Failure::Work(format!("{} cannot be written: {error}", file.display()));
    let mut out = BufWriter::new(File::create(file).map_err(unwritten)?);
    if !oracle {
        writeln!(out, "time,key,size,ttl,op").map_err(unwritten)?;
    }
    let Trace { reading, mut records } = input.open()?;
    let (mut record, mut clock, mut count) = (Record::default(), TraceClock::default(), 0);
    while records.read(&mut record)? == Step::Record {
        let now_ms = clock.at(&record);
        let next = future.next_read(count, u64::MAX);
        let written =
            if oracle { oracle_record(&mut out, &record, now_ms, next) } else { line(&mut out, &record) };
        written.map_err(unwritten)?;
        count += 1;
    }
    out.flush().map_err(unwritten)?;
    Ok((count as u64, reading))
}

/// Which request is the next one for the same key, for each.
fn look_ahead(input: &Input) -> Result<Future, Failure> {
    let Trace { reading, mut records } = input.open()?;
    survey::warn_of(input, &reading.doubts);
    let progress = Progress::counting(&format!("requests read from {}", input.name()));
    let (mut record, mut foresight, mut count) = (Record::default(), Foresight::default(), 0);
    while records.read(&mut record)? == Step::Record {
        foresight.read(record.key_hash(), 0);
        count += 1;
        progress.at(count);
    }
    if count == 0 {
        return Err(Failure::Input(format!("{}: holds no request; expected at least one", input.name())));
    }
    Ok(foresight.finish())
}

fn oracle_record(
    out: &mut impl Write,
    record: &Record,
    now_ms: u64,
    next: Option<u64>,
) -> std::io::Result<()> {
    let object = match record.key[..].try_into() {
        Ok(bytes) => u64::from_le_bytes(bytes),
        Err(_) => record.key_hash(),
    };
    // A size of 1 stands for "not known" in this format.
    let size = record.value_bytes.map_or(1, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
    out.write_all(&u32::try_from(now_ms / 1000).unwrap_or(u32::MAX).to_le_bytes())?;
    out.write_all(&object.to_le_bytes())?;
    out.write_all(&size.to_le_bytes())?;
    out.write_all(&next.map_or(-1, |next| next as i64).to_le_bytes())
}

/// Times and TTLs in seconds, as `replay` reads them unless told otherwise.
fn line(out: &mut impl Write, record: &Record) -> std::io::Result<()> {
    write!(out, "{},", seconds(record.time_ms))?;
    write_key(out, &record.key)?;
    let optional = |number: Option<String>| number.unwrap_or_default();
    let op = match record.op {
        Op::Get => "get",
        Op::Set => "set",
        Op::Add => "add",
        Op::Delete => "delete",
    };
    let size = optional(record.value_bytes.map(|bytes| bytes.to_string()));
    writeln!(out, ",{size},{},{op}", optional(record.ttl_ms.map(seconds)))
}

fn seconds(ms: u64) -> String {
    match ms % 1000 {
        0 => (ms / 1000).to_string(),
        rest => format!("{}.{rest:03}", ms / 1000),
    }
}

/// A key as it is, in quotes where it needs them; one that is no text as hexadecimal digits, since CSV is text.
fn write_key(out: &mut impl Write, key: &[u8]) -> std::io::Result<()> {
    let text = std::str::from_utf8(key).ok().filter(|text| !text.chars().any(char::is_control));
    match text {
        None => key.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
        Some(text) if text.contains([',', '"']) => write!(out, "\"{}\"", text.replace('"', "\"\"")),
        Some(text) => out.write_all(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_the_record_does() {
        let text = |record: &Record| {
            let mut out = Vec::new();
            line(&mut out, record).unwrap();
            String::from_utf8(out).unwrap()
        };
        let get = Record { time_ms: 1_500, key: b"shop:7".to_vec(), ..Record::default() };
        assert_eq!(text(&get), "1.500,shop:7,,,get\n");
        let set =
            Record { key: vec![0, 255], value_bytes: Some(9), ttl_ms: Some(60_000), op: Op::Set, ..get };
        assert_eq!(text(&set), "1.500,00ff,9,60,set\n");
        for (key, written) in [
            ("a,b", "\"a,b\""),
            ("5\"", "\"5\"\"\""),
            ("a b", "a b"),
            ("\u{e9}", "\u{e9}"),
            ("a\nb", "610a62"),
        ] {
            let record = Record { key: key.into(), ..Record::default() };
            assert_eq!(text(&record), format!("0,{written},,,get\n"));
        }
    }

    #[test]
    fn an_oracle_record_names_long_keys_by_a_hash() {
        let bytes = |key: &[u8]| {
            let (mut out, record) = (Vec::new(), Record { key: key.to_vec(), ..Record::default() });
            oracle_record(&mut out, &record, 2_999, Some(5)).unwrap();
            out
        };
        let short = bytes(&7u64.to_le_bytes());
        assert_eq!((short[0], short[4], short[12], short[16], short.len()), (2, 7, 1, 5, 24));
        let long = Record { key: b"long enough".to_vec(), ..Record::default() };
        assert_eq!(bytes(&long.key)[4..12], long.key_hash().to_le_bytes());
    }
}
