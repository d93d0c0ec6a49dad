//! [`Runtime`]: the provider's own thread, which makes and drives connections and runs the slow path of calls.
//!
//! It begins with the first verb. Work is handed over by a queue: only the first of many pieces takes a
//! system call, to wake the thread. Nothing on it blocks, so timers fire in time. Host names are resolved
//! on the runtime's helper threads, and codecs run on callers' threads; of the users' code only sinks run
//! here, which must not block either. Dropping the runtime ends the thread without waiting. Closing it
//! first waits for the verbs under way, which end by their deadlines.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::{Error, ErrorKind, Result};

const THREAD: &str = "zbz-cache-redis";

/// The most helper threads: each host name being resolved takes one, which ends when it is idle.
const HELPERS: usize = 4;
const HELPER_IDLE: Duration = Duration::from_secs(1);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Message {
    Begin(Task),
    /// Ends the thread after the work under way, and then this.
    Finish(Task),
}

struct Running {
    /// Dropped to end the thread at once.
    queue: mpsc::UnboundedSender<Message>,
    /// Closes when the thread has released everything.
    ended: watch::Receiver<()>,
}

enum ThreadState {
    New,
    Running(Running),
    /// Kept until the thread has ended.
    Closed(Option<watch::Receiver<()>>),
}

/// A thread that starts with the first piece of work.
pub(super) struct Runtime {
    state: Mutex<ThreadState>,
}

impl Runtime {
    pub(super) fn new() -> Runtime {
        Runtime { state: Mutex::new(ThreadState::New) }
    }

    fn state(&self) -> MutexGuard<'_, ThreadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.state(), ThreadState::Closed(_))
    }

    /// Begins some work on the thread. It goes on if the receiver is dropped. If the thread ends first, the
    /// receiver returns an error.
    ///
    /// # Errors
    ///
    /// `Closed`. `Unavailable`: the system has no thread for it.
    pub(super) fn begin<F>(&self, work: F) -> Result<oneshot::Receiver<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        self.queue(Box::pin(async move {
            // The caller may have left.
            let _ = tell.send(work.await);
        }))?;
        Ok(told)
    }

    /// As [`begin`](Self::begin), but the work is dropped if the receiver is.
    ///
    /// # Errors
    ///
    /// As those of `begin`.
    pub(super) fn begin_for_caller<F>(&self, work: F) -> Result<oneshot::Receiver<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (mut tell, told) = oneshot::channel();
        self.queue(Box::pin(async move {
            let left = async {
                tell.closed().await;
                None
            };
            if let Some(answer) = first(left, async { Some(work.await) }).await {
                let _ = tell.send(answer);
            }
        }))?;
        Ok(told)
    }

    /// Begins work that no caller waits for, if the thread exists.
    ///
    /// # Errors
    ///
    /// Returns the work, if there is no thread.
    pub(super) fn begin_work(&self, work: Task) -> Result<(), Task> {
        self.give(work).map_err(|(work, _)| work)
    }

    fn queue(&self, work: Task) -> Result<()> {
        self.give(work).map_err(|(_, why)| why)
    }

    fn give(&self, work: Task) -> Result<(), (Task, Error)> {
        let mut state = self.state();
        if matches!(*state, ThreadState::New) {
            match start() {
                Ok(running) => *state = ThreadState::Running(running),
                Err(why) => return Err((work, why)),
            }
        }
        let ThreadState::Running(running) = &*state else { return Err((work, Error::closed())) };
        running.queue.send(Message::Begin(work)).map_err(|unsent| match unsent.0 {
            Message::Begin(work) | Message::Finish(work) => (work, Error::closed()),
        })
    }

    /// Accepts no more work, waits for the work under way and then for `last`, and ends the thread.
    pub(super) fn close(
        &self,
        last: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut state = self.state();
        let ended = match std::mem::replace(&mut *state, ThreadState::Closed(None)) {
            ThreadState::New => None,
            ThreadState::Closed(ended) => ended,
            ThreadState::Running(Running { queue, ended }) => {
                // Without a receiver the thread has ended already.
                let _ = queue.send(Message::Finish(Box::pin(last)));
                Some(ended)
            }
        };
        *state = ThreadState::Closed(ended.clone());
        async move {
            if let Some(mut ended) = ended {
                // This channel never carries a value either; it only closes.
                let _ = ended.changed().await;
            }
        }
    }
}

/// The output of the future that ends first, polled in this order; the other one is dropped.
pub(super) async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ended => ended,
    })
    .await
}

fn start() -> Result<Running> {
    let no_thread = |source| {
        Error::new(
            ErrorKind::Unavailable,
            "the system gave no thread for the network; free some, or try again",
        )
        .with_source(source)
    };
    let mut builder = Builder::new_current_thread();
    let builder = builder.enable_all().max_blocking_threads(HELPERS).thread_keep_alive(HELPER_IDLE);
    let runtime = builder.thread_name(THREAD).build().map_err(no_thread)?;
    let (queue, queued) = mpsc::unbounded_channel();
    let (ending, ended) = watch::channel(());
    let body = move || {
        runtime.block_on(run(queued));
        // A lookup may hang in the system's resolver; do not wait for it.
        runtime.shutdown_background();
        drop(ending);
    };
    thread::Builder::new().name(THREAD.to_owned()).spawn(body).map_err(no_thread)?;
    Ok(Running { queue, ended })
}

/// Begins queued work, until it is told to stop or all senders are gone.
async fn run(mut queued: mpsc::UnboundedReceiver<Message>) {
    // All work under way holds a sender; no value is ever sent.
    let (working, mut all_done) = mpsc::channel::<()>(1);
    while let Some(message) = queued.recv().await {
        match message {
            Message::Begin(work) => {
                let working = working.clone();
                tokio::spawn(async move {
                    work.await;
                    drop(working);
                });
            }
            Message::Finish(last) => {
                drop(working);
                all_done.recv().await;
                last.await;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::block_on;

    #[test]
    fn work_under_way_ends_before_a_closed_thread_does_and_new_work_is_refused() {
        let runtime = Runtime::new();
        let (tell, told) = oneshot::channel();
        let work = runtime.begin(told).unwrap();
        let (last_told, mut last) = oneshot::channel();
        let closing = runtime.close(async move {
            let _ = last_told.send(());
        });
        assert!(runtime.is_closed());
        assert_eq!(runtime.begin(async {}).map(drop).unwrap_err().kind(), ErrorKind::Closed);
        assert!(last.try_recv().is_err());
        tell.send(7).unwrap();
        assert_eq!(block_on(work).unwrap(), Ok(7));
        block_on(closing);
        assert!(last.try_recv().is_ok());
        block_on(runtime.close(async {}));
    }

    #[test]
    fn a_dropped_one_ends_what_it_was_doing() {
        let runtime = Runtime::new();
        let work = runtime.begin(std::future::pending::<()>()).unwrap();
        drop(runtime);
        assert!(block_on(work).is_err());
    }

    #[test]
    fn work_for_a_caller_ends_when_the_caller_leaves() {
        let runtime = Runtime::new();
        let (held, gone) = oneshot::channel::<()>();
        let work = runtime.begin_for_caller(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(work);
        assert!(block_on(gone).is_err());
        assert_eq!(block_on(runtime.begin_for_caller(async { 7 }).unwrap()), Ok(7));
    }

    #[test]
    fn one_that_did_nothing_closes_at_once() {
        block_on(Runtime::new().close(async {}));
    }
}
