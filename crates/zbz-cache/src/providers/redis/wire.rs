//! [`Wire`]: a byte stream that knows how much was sent into it.
//!
//! A command was surely not sent if nothing went out since it was handed over, and nothing more
//! will.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Anything that bytes go through both ways.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// How much was sent: grows with every byte that may have gone out. Read on the thread that drives
/// the wire, so Relaxed suffices.
#[derive(Debug, Default)]
pub(super) struct Sent(AtomicU64);

impl Sent {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream, and how much was sent into it.
pub(super) struct Wire {
    stream: Box<dyn Duplex>,
    sent: Arc<Sent>,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Duplex>) -> (Wire, Arc<Sent>) {
        let sent = Arc::new(Sent::default());
        (Wire { stream, sent: Arc::clone(&sent) }, sent)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        let went = match &polled {
            Poll::Ready(Ok(count)) => *count as u64,
            // A part of it may have gone out before it failed.
            Poll::Ready(Err(_)) => 1,
            Poll::Pending => 0,
        };
        self.sent.0.fetch_add(went, Ordering::Relaxed);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
