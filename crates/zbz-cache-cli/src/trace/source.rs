//! A trace file's bytes, compression undone. Plain, zstd and gzip are told apart by their first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

mod other;
mod zstd;

use self::zstd::Zstd;
use super::{Format, Place, TraceError, format, oracle_general};

/// With the only method of compression there is.
const GZIP_MAGIC: [u8; 3] = [0x1F, 0x8B, 0x08];

/// Bytes held between the file, the decompression and the reader.
const BUFFER_BYTES: usize = 256 * 1024;

/// Bytes at the front by which a file's format is guessed.
const SAMPLE_BYTES: usize = 64 * 1024;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Plain,
    Zstd,
    Gzip,
}

/// The bytes of one trace file.
pub(super) struct Source {
    file: String,
    bytes: BufReader<Sampled>,
    compression: Compression,
    /// Whether the sample is all there is.
    sample_is_whole: bool,
}

/// A file whose first bytes were read ahead.
struct Sampled {
    sample: Cursor<Vec<u8>>,
    /// The error that ended the sample early.
    failed: Option<io::Error>,
    rest: Box<dyn Read>,
}

impl Sampled {
    /// Reads ahead; answers whether the sample is all there is, too.
    fn of(mut rest: Box<dyn Read>) -> (Sampled, bool) {
        let mut sample = Vec::new();
        let read = (&mut rest).take(SAMPLE_BYTES as u64).read_to_end(&mut sample);
        let whole = read.is_ok() && sample.len() < SAMPLE_BYTES;
        (Sampled { sample: Cursor::new(sample), failed: read.err(), rest }, whole)
    }
}

impl Read for Sampled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.sample.read(buffer)? {
            0 => self.failed.take().map_or_else(|| self.rest.read(buffer), Err),
            count => Ok(count),
        }
    }
}

impl Source {
    /// Opens a file, of which its user may have said the format.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is none, is empty, holds no data that can be decompressed, or is known to be something
    /// else.
    pub(super) fn open(path: &Path, said: Option<Format>) -> Result<Source, TraceError> {
        let file = path.display().to_string();
        let fail = |problem: String| TraceError::new(&file, Place::File, problem);
        let opened = File::open(path).map_err(|error| fail(unopened(path, &error)))?;
        let metadata =
            opened.metadata().map_err(|error| fail(format!("cannot be read: {}", words(&error))))?;
        if metadata.is_dir() {
            return Err(fail("is a folder; name the files in it, as in folder/*".into()));
        }
        if !metadata.is_file() {
            return Err(fail(
                "is no regular file; a trace is read more than once, so save it to a file first".into(),
            ));
        }
        let mut source = Source::from_bytes(file.clone(), opened)
            .map_err(|error| fail(format!("cannot be read: {}", words(&error))))?;
        if source.head(Place::File)?.is_empty() {
            return Err(source.error(Place::File, "is empty; expected at least one request"));
        }
        let sample = source.sample();
        let is_said_text = matches!(said, Some(Format::Csv | Format::Twitter | Format::Lines));
        // Binary records may begin with any bytes, and so may the keys of a text that is known to be one.
        let is_trace = oracle_general::has_records(sample) || is_said_text && format::may_be_text(sample);
        let problem = if is_trace { None } else { other::problem(sample) };
        problem.map_or(Ok(()), |problem| Err(source.error(Place::File, problem)))?;
        Ok(source)
    }

    fn from_bytes(file: String, bytes: impl Read + 'static) -> io::Result<Source> {
        let mut bytes = BufReader::with_capacity(BUFFER_BYTES, bytes);
        let head = bytes.fill_buf()?;
        let compression = if zstd::begins(head) {
            Compression::Zstd
        } else if head.starts_with(&GZIP_MAGIC) {
            Compression::Gzip
        } else {
            Compression::Plain
        };
        let plain: Box<dyn Read> = match compression {
            Compression::Plain => Box::new(bytes),
            Compression::Zstd => Box::new(Zstd::new(bytes)),
            Compression::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        };
        let (plain, sample_is_whole) = Sampled::of(plain);
        let bytes = BufReader::with_capacity(BUFFER_BYTES, plain);
        Ok(Source { file, bytes, compression, sample_is_whole })
    }

    /// The first bytes of the file, as many as a guess needs; less what [`advance`](Source::advance) took of them while
    /// they were the head.
    pub(super) fn sample(&mut self) -> &[u8] {
        // The reader meets this error again.
        let _ = self.bytes.fill_buf();
        self.bytes.buffer()
    }

    /// Whether the sample is the whole file.
    pub(super) fn sample_is_whole(&self) -> bool {
        self.sample_is_whole
    }

    /// Bytes that are there already, at least one unless the trace is at its end. They stay there.
    ///
    /// # Errors
    ///
    /// The file cannot be read on; told at `place`.
    pub(super) fn head(&mut self, place: Place) -> Result<&[u8], TraceError> {
        // Two calls: a borrow that is returned cannot also be given up on an error.
        if let Err(error) = self.bytes.fill_buf() {
            return Err(self.unreadable(place, &error));
        }
        Ok(self.bytes.buffer())
    }

    /// Moves on by `count` bytes of the [`head`](Source::head).
    pub(super) fn advance(&mut self, count: usize) {
        self.bytes.consume(count);
    }

    /// Fills `buffer` as far as there are bytes, and answers how far.
    ///
    /// # Errors
    ///
    /// As [`head`](Source::head).
    pub(super) fn read_up_to(&mut self, buffer: &mut [u8], place: Place) -> Result<usize, TraceError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.bytes.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(place, &error)),
            }
        }
        Ok(filled)
    }

    /// An error at a place of this file.
    pub(super) fn error(&self, place: Place, problem: impl Into<String>) -> TraceError {
        TraceError::new(&self.file, place, problem)
    }

    /// The error of a file that cannot be read on at a place.
    pub(super) fn unreadable(&self, place: Place, error: &io::Error) -> TraceError {
        let what = match self.compression {
            Compression::Plain => return self.error(place, format!("cannot be read on: {}", words(error))),
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        };
        let problem = match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                format!(
                    "the {what} data is truncated: the file ends before it does; copy or download it anew"
                )
            }
            io::ErrorKind::Unsupported => format!("the {what} data cannot be read: {error}"),
            _ => format!("the {what} data is damaged here ({error}); copy or download the file anew"),
        };
        self.error(place, problem)
    }

    /// A source of these bytes, under the name "trace".
    #[cfg(test)]
    pub(super) fn of(bytes: &[u8]) -> Source {
        Source::from_bytes("trace".to_owned(), Cursor::new(bytes.to_vec())).unwrap()
    }
}

/// Why a file cannot be opened.
fn unopened(path: &Path, error: &io::Error) -> String {
    if path.as_os_str() == "-" {
        return "stands for the standard input, but a trace is read more than once; save it to a file first"
            .to_owned();
    }
    format!("cannot be opened: {}", words(error))
}

/// The words of a system error, without its number.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
