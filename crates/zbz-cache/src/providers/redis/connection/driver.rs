//! [`Driver`]: the task that writes a connection's commands and hands the replies to their callers.
//!
//! It writes all queued commands at once. Replies come in the order of the commands.
//!
//! - **Certainly not sent** are, when the driver ends, the commands beyond the bytes that the stream took.
//! - **Silence**: if a request's deadline passes, and no request was answered since it was handed over,
//!   the connection is taken for dead. A request that had little time left when it was handed over proves
//!   nothing about the connection. A request past its deadline is not sent. If no byte at all comes for
//!   [`Silence::after`] while requests wait, the server is taken to be down.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use redis::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::send_queue::{Broken, LastWords, Request, Returned, SendQueue, Stage, Values};
use crate::providers::redis::connection::ending::{End, Ended, Silence};
use crate::providers::redis::connection::parser::Frames;
use crate::providers::redis::error::{self, Failure, WriteOutcome};

/// The most capacity that is kept for outgoing commands.
const KEPT: usize = 256 * 1024;

/// A stream of bytes in both directions.
pub(in crate::providers::redis) trait Duplex:
    AsyncRead + AsyncWrite + Send + Unpin
{
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Called with each push of the server.
pub(in crate::providers::redis) type Hear = Box<dyn FnMut(Value) + Send>;

/// A request that is about to be sent or was sent, until it is answered.
struct Waiting {
    asked: Vec<u8>,
    count: usize,
    /// The replies so far, of a request with more than one command.
    values: Vec<Value>,
    /// The offset of its first byte in the connection's whole output.
    begins: u64,
    deadline: Instant,
    /// The driver's `answered` when it was handed over; `None` if it had so little time left that its
    /// deadline is no sign of silence.
    answered: Option<u64>,
    /// Taken when its caller is answered.
    tell: Option<oneshot::Sender<Returned>>,
}

/// The task at the receiving end of a send queue; it ends with the connection.
pub(in crate::providers::redis) struct Driver {
    queue: Arc<SendQueue>,
    stream: Box<dyn Duplex>,
    hear: Option<Hear>,
    silence: Silence,
    /// The start of the current silence: bytes came, the stream took bytes again, or a first request began to wait.
    last_sign: Instant,
    last_used: Option<Instant>,
    /// Outgoing bytes; those before `gone` are sent.
    out: Vec<u8>,
    gone: usize,
    is_flushed: bool,
    /// Whether the last write found the stream full.
    is_stuck: bool,
    /// Bytes over the life of the connection: handed over (`queued`), and taken by the stream (`sent`).
    queued: u64,
    sent: u64,
    waiting: VecDeque<Waiting>,
    frames: Frames,
    answered: u64,
    /// Set to the earliest deadline, if `is_set`.
    timer: Pin<Box<Sleep>>,
    is_set: bool,
    is_finishing: bool,
    /// Kept for its capacity.
    taken: Vec<Request>,
    end: End,
    last_words: LastWords,
}

impl Driver {
    /// Has to be called within the runtime.
    pub(in crate::providers::redis) fn new(
        queue: Arc<SendQueue>,
        stream: Box<dyn Duplex>,
        hear: Option<Hear>,
        silence: Silence,
    ) -> Driver {
        Driver {
            queue,
            stream,
            hear,
            silence,
            last_sign: Instant::now(),
            last_used: None,
            out: Vec::new(),
            gone: 0,
            is_flushed: true,
            is_stuck: false,
            queued: 0,
            sent: 0,
            waiting: VecDeque::new(),
            frames: Frames::new(),
            answered: 0,
            timer: Box::pin(sleep_until(Instant::now())),
            is_set: false,
            is_finishing: false,
            taken: Vec::new(),
            end: End::Broke,
            last_words: LastWords::None,
        }
    }

    /// Takes the queued requests, and registers to be woken for more.
    fn take(&mut self, context: &Context<'_>) -> Result<(), End> {
        let stage = {
            let mut state = self.queue.state();
            std::mem::swap(&mut state.queue, &mut self.taken);
            state.waker = Some(context.waker().clone());
            state.stage
        };
        let mut now = None;
        let has_answered = self.has_answered();
        for request in self.taken.drain(..) {
            let Request { asked, count, deadline, tell } = request;
            // The caller dropped its future, so the request is not sent.
            if tell.is_closed() {
                continue;
            }
            let now = *now.get_or_insert_with(Instant::now);
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                let _ = tell.send(Returned { asked, answer: Err(Broken::Overdue) });
                continue;
            }
            if self.waiting.is_empty() {
                self.last_sign = now;
            }
            let look = self.silence.after.map_or(deadline, |after| deadline.min(now + after));
            if !self.is_set || look < self.timer.deadline() {
                self.timer.as_mut().reset(look);
                self.is_set = true;
            }
            self.last_used = has_answered.then_some(now);
            let begins = self.queued;
            self.out.extend_from_slice(&asked);
            self.queued += asked.len() as u64;
            self.waiting.push_back(Waiting {
                asked,
                count,
                values: Vec::new(),
                begins,
                deadline,
                answered: (left >= self.silence.least_time).then_some(self.answered),
                tell: Some(tell),
            });
        }
        self.is_finishing = stage == Stage::Finishing;
        if stage == Stage::Over { Err(End::Broke) } else { Ok(()) }
    }

    /// Writes as much as the stream accepts.
    fn write(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        while self.gone < self.out.len() {
            let written = Pin::new(&mut self.stream).poll_write(context, &self.out[self.gone..]);
            match written {
                Poll::Pending => {
                    self.is_stuck = true;
                    return Ok(());
                }
                Poll::Ready(Ok(count)) if count > 0 => {
                    // The server received some of the bytes, so it is not silent.
                    if std::mem::take(&mut self.is_stuck) {
                        self.last_sign = Instant::now();
                    }
                    self.gone += count;
                    self.sent += count as u64;
                    self.is_flushed = false;
                }
                Poll::Ready(_) => {
                    // Some of it may have been sent before the failure.
                    self.sent = self.queued;
                    return Err(End::Broke);
                }
            }
        }
        self.gone = 0;
        self.out.clear();
        self.out.shrink_to(KEPT);
        if !self.is_flushed {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.is_flushed = true,
                Poll::Ready(Err(_)) => return Err(End::Broke),
            }
        }
        Ok(())
    }

    /// Reads and answers all that arrived. Ready when the connection has ended.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            let mut room = ReadBuf::new(self.frames.room());
            let came: io::Result<()> = ready!(Pin::new(&mut self.stream).poll_read(context, &mut room));
            let count = room.filled().len();
            if let Some(error) = came.as_ref().err().and_then(error::tls_error) {
                self.last_words = LastWords::Tls(error.clone());
            }
            if came.is_err() || count == 0 {
                let said = self.frames.beginning();
                if !said.is_empty() {
                    self.last_words = LastWords::Said(said.to_vec());
                }
                return Poll::Ready(End::Broke);
            }
            self.frames.came(count);
            self.last_sign = Instant::now();
            loop {
                match self.frames.next() {
                    Ok(Some(value @ Value::Push { .. })) => {
                        if let Some(hear) = &mut self.hear {
                            hear(value);
                        }
                    }
                    Ok(Some(value)) => {
                        if matches!(self.last_words, LastWords::None) {
                            self.last_words = match &value {
                                Value::ServerError(error) => LastWords::Refused(error.clone()),
                                _ => LastWords::Answers,
                            };
                        }
                        if !self.answer(value) {
                            return Poll::Ready(End::Nonsense);
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {
                        self.last_words = LastWords::Said(self.frames.beginning().to_vec());
                        return Poll::Ready(End::Nonsense);
                    }
                }
            }
        }
    }

    /// Hands one reply to the first waiting request. False if none waits.
    fn answer(&mut self, value: Value) -> bool {
        let Some(first) = self.waiting.front_mut().filter(|first| first.begins < self.sent) else {
            return false;
        };
        let values = if first.count == 1 {
            Values::One(value)
        } else {
            first.values.push(value);
            if first.values.len() < first.count {
                return true;
            }
            Values::Many(std::mem::take(&mut first.values))
        };
        if let Some(mut done) = self.waiting.pop_front()
            && let Some(tell) = done.tell.take()
        {
            // A reply that no caller gets in time is no sign of life.
            let told = tell.send(Returned { asked: done.asked, answer: Ok(values) });
            self.answered += u64::from(told.is_ok());
        }
        true
    }

    fn has_answered(&self) -> bool {
        !matches!(self.last_words, LastWords::None)
    }

    /// When the connection counts as silent if nothing comes.
    fn silent_at(&self) -> Option<Instant> {
        let first = self.waiting.front().filter(|_| self.has_answered())?;
        Some(self.last_sign + self.silence.span(first.asked.len())?)
    }

    /// Answers the callers whose deadlines have passed, and ends a silent connection.
    fn judge(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        while self.is_set && self.timer.as_mut().poll(context).is_ready() {
            let (now, answered) = (Instant::now(), self.answered);
            let mut is_silent = false;
            for late in self.waiting.iter_mut().filter(|waiting| waiting.deadline <= now) {
                if let Some(tell) = late.tell.take() {
                    is_silent |= late.answered == Some(answered);
                    let asked = std::mem::take(&mut late.asked);
                    let _ = tell.send(Returned { asked, answer: Err(Broken::Late) });
                }
            }
            if is_silent {
                tracing::warn!(server = %self.queue.address, "nothing was answered in time; the connection was ended");
                return Err(End::Overdue);
            }
            let silent_at = self.silent_at();
            if silent_at.is_some_and(|at| at <= now) {
                return Err(End::Silent(self.silence.after.unwrap_or_default()));
            }
            let next = self.waiting.iter().filter(|waiting| waiting.tell.is_some());
            match next.map(|waiting| waiting.deadline).chain(silent_at).min() {
                Some(next) => self.timer.as_mut().reset(next),
                None => self.is_set = false,
            }
        }
        Ok(())
    }

    fn go_on(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        self.take(context)?;
        // Read before writing: if the connection broke unnoticed, the new requests are certainly not sent.
        if let Poll::Ready(end) = self.read(context) {
            return Err(end);
        }
        if let Err(end) = self.write(context) {
            // The server may have sent the reason.
            return Err(if let Poll::Ready(end) = self.read(context) { end } else { end });
        }
        self.judge(context)?;
        if self.is_finishing && self.is_idle() {
            return Err(End::Finished);
        }
        Ok(())
    }

    /// Whether no request waits.
    fn is_idle(&self) -> bool {
        self.waiting.iter().all(|waiting| waiting.tell.is_none())
    }

    fn lost(&self, outcome: WriteOutcome) -> Failure {
        match self.end {
            End::Broke | End::Finished => error::connection_lost(&self.queue.address, outcome),
            End::Overdue => error::overdue(&self.queue.address, outcome),
            End::Silent(after) => error::silent(&self.queue.address, after).with_outcome(outcome),
            End::Nonsense => error::nonsense(&self.queue.address, outcome),
        }
    }
}

impl Future for Driver {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        match self.go_on(context) {
            Ok(()) => Poll::Pending,
            Err(end) => {
                self.end = end;
                Poll::Ready(Ended { end, last_used: self.last_used })
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let queue = {
            let mut state = self.queue.state();
            state.stage = Stage::Over;
            state.last_words = std::mem::take(&mut self.last_words);
            std::mem::take(&mut state.queue)
        };
        let lost = |asked, tell: oneshot::Sender<Returned>, failure| {
            let _ = tell.send(Returned { asked, answer: Err(Broken::Lost(failure)) });
        };
        for waiting in std::mem::take(&mut self.waiting) {
            let outcome =
                if waiting.begins < self.sent { WriteOutcome::Unknown } else { WriteOutcome::Unsent };
            if let Some(tell) = waiting.tell {
                lost(waiting.asked, tell, self.lost(outcome));
            }
        }
        for Request { asked, tell, .. } in queue {
            lost(asked, tell, self.lost(WriteOutcome::Unsent));
        }
    }
}

#[cfg(test)]
mod tests;
