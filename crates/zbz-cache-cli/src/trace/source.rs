//! A trace file's bytes, compression undone. Plain, zstd and gzip are told apart by their first bytes.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Place, TraceError};

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// Bytes held between the file, the decompression and the reader.
const BUFFER_BYTES: usize = 256 * 1024;

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
    bytes: BufReader<Box<dyn Read>>,
    compression: Compression,
}

impl Source {
    /// # Errors
    ///
    /// The file cannot be opened, is none, is empty, or holds no data that can be decompressed.
    pub(super) fn open(path: &Path) -> Result<Source, TraceError> {
        let file = path.display().to_string();
        let fail = |problem: String| TraceError::new(&file, Place::File, problem);
        let opened =
            File::open(path).map_err(|error| fail(format!("cannot be opened: {}", words(&error))))?;
        let metadata =
            opened.metadata().map_err(|error| fail(format!("cannot be read: {}", words(&error))))?;
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
        Ok(source)
    }

    fn from_bytes(file: String, bytes: impl Read + 'static) -> io::Result<Source> {
        let mut bytes = BufReader::with_capacity(BUFFER_BYTES, bytes);
        let head = bytes.fill_buf()?;
        let compression = if head.starts_with(&ZSTD_MAGIC) || begins_with_skippable_frame(head) {
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
        Ok(Source { file, bytes: BufReader::with_capacity(BUFFER_BYTES, plain), compression })
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
        let problem = format!(
            "the {what} data is cut short or damaged here ({error}); expected it whole: copy or download the file anew"
        );
        self.error(place, problem)
    }

    /// A source of these bytes, under the name "trace".
    #[cfg(test)]
    pub(super) fn of(bytes: &[u8]) -> Source {
        Source::from_bytes("trace".to_owned(), io::Cursor::new(bytes.to_vec())).unwrap()
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

/// Whether zstd data begins with a frame that holds no data, as that of parallel compressors does.
fn begins_with_skippable_frame(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..])
}

/// The words of a system error, without its number.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// The frames of a zstd file, one after another.
struct Zstd<R> {
    source: R,
    frame: FrameDecoder,
    /// Whether `frame` has a frame under way.
    begun: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        Zstd { source, frame: FrameDecoder::new(), begun: false }
    }

    /// Begins the next frame, past any that hold no data; false at the end of the file.
    fn begin_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.frame.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(undecodable(error)),
            }
        }
        Ok(false)
    }

    fn check_frame(&self) -> io::Result<()> {
        match (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum()) {
            (Some(stated), Some(found)) if stated != found => {
                Err(io::Error::other("the checksum does not match"))
            }
            _ => Ok(()),
        }
    }
}

/// In few words where they say it all: the decoder names its inner steps.
fn undecodable(error: FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(step) = cause {
        if step.downcast_ref().is_some_and(|inner: &io::Error| inner.kind() == io::ErrorKind::UnexpectedEof) {
            return io::Error::new(io::ErrorKind::UnexpectedEof, "it ends in the middle");
        }
        cause = step.source();
    }
    io::Error::other(error)
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.begun {
                if self.frame.can_collect() > 0 {
                    return self.frame.read(buffer);
                }
                if !self.frame.is_finished() {
                    let one_block = BlockDecodingStrategy::UptoBlocks(1);
                    self.frame.decode_blocks(&mut self.source, one_block).map_err(undecodable)?;
                    continue;
                }
                self.check_frame()?;
            }
            self.begun = self.begin_frame()?;
            if !self.begun {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
