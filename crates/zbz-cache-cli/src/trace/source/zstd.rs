//! zstd data, one frame after another.

use std::error::Error;
use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The first bytes of every frame with data.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// The longest window that is taken, as long as `zstd --long=31` makes it. It is room set aside before the first byte,
/// so a frame that claims more may not have it.
const MAX_WINDOW_BYTES: u64 = 1 << 31;

/// The frames of a zstd file.
pub(super) struct Zstd<R> {
    source: R,
    frame: FrameDecoder,
    /// Whether `frame` has a frame under way.
    begun: bool,
}

/// Whether data is zstd's. A first frame that holds no data, as that of parallel compressors, is known too.
pub(super) fn begins(head: &[u8]) -> bool {
    head.starts_with(&MAGIC) || matches!(head, [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..])
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(source: R) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(MAX_WINDOW_BYTES);
        Zstd { source, frame, begun: false }
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

/// In few words where they say it all: the decoder names its inner steps. What is sound but not taken is
/// [`Unsupported`](io::ErrorKind::Unsupported).
fn undecodable(error: FrameDecoderError) -> io::Error {
    match &error {
        FrameDecoderError::WindowSizeTooBig { requested, max } => {
            let problem = format!(
                "it refers back over {requested} bytes, and at most {max} are taken, here and by zstd itself; \
                 compress the trace anew, with zstd --long=31 or less"
            );
            return io::Error::new(io::ErrorKind::Unsupported, problem);
        }
        FrameDecoderError::DictNotProvided { .. } => {
            let problem = "it needs the dictionary that it was compressed with; \
                           decompress it first, with zstd -d -D DICTIONARY";
            return io::Error::new(io::ErrorKind::Unsupported, problem);
        }
        _ => {}
    }
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
