//! Reading real cache traces.
//!
//! Two formats: libCacheSim's `*.oracleGeneral`, plain or as `*.oracleGeneral.zst`, and `*.keys.txt.zst` with one key a
//! line. Only which object was asked for is kept: objects are renumbered from 0 in order of appearance.
//!
//! ```text
//! oracleGeneral, 24 bytes, little-endian
//! | time u32 | object u64 | size u32 | next request i64 |
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The requests of a trace.
#[derive(Debug, PartialEq, Eq)]
pub struct Trace {
    /// Its file's name without the endings.
    pub name: String,
    /// Objects in the order asked for, numbered below `distinct`.
    pub ids: Vec<u32>,
    /// Number of different objects.
    pub distinct: u32,
}

const ORACLE_ENDING: &str = ".oracleGeneral.zst";
const PLAIN_ORACLE_ENDING: &str = ".oracleGeneral";
const KEYS_ENDING: &str = ".keys.txt.zst";
const RECORD_BYTES: usize = 24;

/// The trace files of a folder, by name.
///
/// # Errors
///
/// When the folder cannot be read or holds no trace.
pub fn find(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| format!("cannot read the folder of traces {}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.to_string_lossy();
            [ORACLE_ENDING, PLAIN_ORACLE_ENDING, KEYS_ENDING].iter().any(|ending| name.ends_with(ending))
        })
        .collect();
    if files.is_empty() {
        return Err(format!(
            "no trace in {}: files must end in {PLAIN_ORACLE_ENDING}, {ORACLE_ENDING} or {KEYS_ENDING}",
            folder.display()
        ));
    }
    files.sort();
    Ok(files)
}

/// Reads a whole trace.
///
/// # Errors
///
/// With file and place when it cannot be read or is cut short.
pub fn load(path: &Path) -> Result<Trace, String> {
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = File::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    let bytes: Box<dyn Read> = if file_name.ends_with(PLAIN_ORACLE_ENDING) {
        Box::new(file)
    } else {
        Box::new(zstd::Decoder::new(file).map_err(|error| format!("{}: {error}", path.display()))?)
    };
    let reader = BufReader::with_capacity(1 << 20, bytes);
    let endings = [ORACLE_ENDING, PLAIN_ORACLE_ENDING, KEYS_ENDING];
    let name =
        endings.iter().find_map(|ending| file_name.strip_suffix(ending)).unwrap_or(&file_name).to_string();
    let read = if file_name.ends_with(KEYS_ENDING) {
        read_keys(reader).map(|numbering| numbering.into_trace(name))
    } else {
        read_oracle(reader).map(|numbering| numbering.into_trace(name))
    };
    read.map_err(|reason| format!("{}: {reason}", path.display()))
}

fn read_oracle(mut reader: impl Read) -> Result<Numbering<u64>, String> {
    let mut numbering = Numbering::default();
    let mut record = [0u8; RECORD_BYTES];
    let mut offset = 0u64;
    loop {
        let got =
            read_full(&mut reader, &mut record).map_err(|error| format!("at byte {offset}: {error}"))?;
        if got == 0 {
            return Ok(numbering);
        }
        if got < RECORD_BYTES {
            return Err(format!(
                "at byte {offset}: the last record has {got} bytes instead of {RECORD_BYTES}"
            ));
        }
        let mut object = [0; 8];
        object.copy_from_slice(&record[4..12]);
        numbering.push(u64::from_le_bytes(object))?;
        offset += RECORD_BYTES as u64;
    }
}

fn read_keys(reader: impl BufRead) -> Result<Numbering<Vec<u8>>, String> {
    let mut numbering = Numbering::default();
    for (line, number) in reader.split(b'\n').zip(1u64..) {
        let key = line.map_err(|error| format!("at line {number}: {error}"))?;
        numbering.push(key)?;
    }
    Ok(numbering)
}

/// Reads until `buffer` is full or the input ends; gives the bytes read.
fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match reader.read(&mut buffer[got..])? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

/// Objects numbered by first appearance.
struct Numbering<Name> {
    numbers: HashMap<Name, u32>,
    ids: Vec<u32>,
}

impl<Name> Default for Numbering<Name> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), ids: Vec::new() }
    }
}

impl<Name: Hash + Eq> Numbering<Name> {
    fn push(&mut self, name: Name) -> Result<(), String> {
        let next =
            u32::try_from(self.numbers.len()).map_err(|_| "more objects than can be numbered".to_string())?;
        self.ids.push(*self.numbers.entry(name).or_insert(next));
        Ok(())
    }

    fn into_trace(self, name: String) -> Trace {
        Trace { name, distinct: self.numbers.len() as u32, ids: self.ids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(objects: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (time, object) in objects.iter().enumerate() {
            bytes.extend((time as u32).to_le_bytes());
            bytes.extend(object.to_le_bytes());
            bytes.extend(1u32.to_le_bytes());
            bytes.extend((-1i64).to_le_bytes());
        }
        bytes
    }

    #[test]
    fn objects_are_numbered_by_first_appearance() {
        let trace =
            read_oracle(&records(&[900, 7, 900, u64::MAX])[..]).expect("a trace").into_trace("t".into());
        assert_eq!(trace, Trace { name: "t".into(), ids: vec![0, 1, 0, 2], distinct: 3 });
    }

    #[test]
    fn a_cut_record_is_reported_with_its_place() {
        let bytes = records(&[1, 2]);
        let message = read_oracle(&bytes[..bytes.len() - 5]).err().expect("an error");
        assert!(message.contains("at byte 24") && message.contains("19 bytes"), "{message}");
    }

    #[test]
    fn keys_are_lines() {
        let trace = read_keys(&b"a\nbb\na\n"[..]).expect("a trace").into_trace("t".into());
        assert_eq!(trace.ids, [0, 1, 0]);
    }

    #[test]
    fn a_compressed_file_is_read_and_a_broken_one_named() {
        let folder = std::env::temp_dir().join(format!("compare-trace-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        assert!(find(&folder).expect_err("no traces").contains("no trace"));
        let good = folder.join("small.oracleGeneral.zst");
        let bytes = zstd::encode_all(&records(&[5, 5, 6])[..], 1).expect("compressed");
        std::fs::write(&good, &bytes).expect("written");
        let bad = folder.join("torn.oracleGeneral.zst");
        std::fs::write(&bad, &bytes[..bytes.len() - 3]).expect("written");
        assert_eq!(find(&folder).expect("files"), [good.clone(), bad.clone()]);
        let trace = load(&good).expect("a trace");
        assert_eq!((trace.name.as_str(), trace.distinct, trace.ids.len()), ("small", 2, 3));
        assert!(load(&bad).expect_err("torn").contains("torn.oracleGeneral.zst"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
