//! Finds the trace of the first run and reads it whole.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::invocation::{self, CARGO_FOLDER};
use crate::trace::{self, Format, ReadAs, Record, Step, TraceError};

/// The trace's file, below a folder of that name.
const FOLDER: &str = "data";
const FILE: &str = "cache2k-web07.oracleGeneral.zst";

/// Where a trace is from.
pub(super) struct Attribution {
    pub(super) title: &'static str,
    pub(super) source: &'static str,
    pub(super) licence: &'static str,
}

const ATTRIBUTION: Attribution = Attribution {
    title: "cache2k-web07: product pages of a web shop, July",
    source: "the cache2k benchmark traces, by way of ben-manes/caffeine",
    licence: "CC BY 4.0, headissue GmbH, Jens Wilke",
};

/// The products asked for, in order.
pub(super) struct Visits {
    file: PathBuf,
    pub(super) ids: Vec<u64>,
}

impl Visits {
    /// The attribution, if it is the trace of the source tree.
    pub(super) fn attribution(&self) -> Option<&'static Attribution> {
        (self.file.file_name()? == FILE).then_some(&ATTRIBUTION)
    }

    pub(super) fn title(&self) -> String {
        match self.attribution() {
            Some(attribution) => attribution.title.to_owned(),
            None => self.file.display().to_string(),
        }
    }

    pub(super) fn distinct(&self) -> u64 {
        self.ids.iter().collect::<HashSet<_>>().len() as u64
    }
}

/// Reads the trace that was asked for, or the one of the source tree.
///
/// # Errors
///
/// It cannot be found, or there is something in it that cannot be understood.
pub(super) fn visits(asked: Option<&Path>) -> Result<Visits, Failure> {
    let file = match asked {
        Some(file) => file.to_owned(),
        None => find()?,
    };
    let read_as = ReadAs { format: Some(Format::OracleGeneral), ..ReadAs::default() };
    let mut trace = trace::open(&file, &read_as)?;
    let (mut ids, mut record) = (Vec::new(), Record::default());
    let read_on = |error: TraceError| {
        let replay = invocation::with("replay FILE");
        Failure::Input(format!(
            "{error}\n  The first run takes oracleGeneral records alone; for other formats: {replay}"
        ))
    };
    while trace.records.read(&mut record).map_err(read_on)? == Step::Record {
        ids.extend(record.key.first_chunk().copied().map(u64::from_le_bytes));
    }
    Ok(Visits { file, ids })
}

fn find() -> Result<PathBuf, Failure> {
    let mut folders = Vec::new();
    folders.extend(env::current_dir());
    folders.extend(env::var_os(CARGO_FOLDER).map(PathBuf::from));
    let found =
        folders.iter().flat_map(|folder| folder.ancestors()).map(|above| above.join(FOLDER).join(FILE));
    found.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        let looked: Vec<String> =
            folders.iter().map(|folder| format!("  {} and the folders above it", folder.display())).collect();
        Failure::Input(format!(
            "the trace of the first run was not found. It comes with the source tree, as {FOLDER}/{FILE}; \
             that was looked for in\n{}\n\
             Run the command in the source tree, or name a trace: {}",
            looked.join("\n"),
            invocation::with("--trace FILE")
        ))
    })
}
