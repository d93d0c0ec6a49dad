//! [`Error`]: the one error of this crate, with a kind to match on and a message to act on.
//!
//! Messages are lower case, say what to do next if something can be done, and never contain a
//! whole key, a value or a secret. An error is one pointer wide and cheap to clone, so that one outcome
//! can be handed to every caller that waited for it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

mod cause;

use cause::Cause;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error, to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option, a name or a combination of them is wrong; found at construction, or by the
    /// server that they lead to.
    Config,
    /// No provider of that name is registered.
    UnknownProvider,
    /// The key is empty or too long. Nothing was changed.
    InvalidKey,
    /// The glob pattern is malformed or too long. Nothing was listed.
    InvalidPattern,
    /// The value is larger than the provider can ever hold. The old value of the key is gone,
    /// unless the message says otherwise: a write under a condition changes nothing.
    TooLarge,
    /// The cache is full and configured to reject rather than evict. Nothing was changed.
    Full,
    /// The value cannot be encoded, or would not come back equal; see [`codec`](crate::codec).
    /// Nothing was changed.
    Codec,
    /// The verb cannot work on the stored bytes (a counter that is not a number, or one that would
    /// overflow). Nothing was changed.
    InvalidValue,
    /// The provider does not have this verb; see [`Capabilities`](crate::provider::Capabilities).
    Unsupported,
    /// The provider cannot be reached. Whether a write took effect is unknown unless the message
    /// says so.
    Unavailable,
    /// The provider did not answer within the deadline. Whether a write took effect is unknown.
    Timeout,
    /// The provider refused access: wrong credentials, or a user without the permission. Nothing was
    /// changed.
    Denied,
    /// The loader failed. Its own error is the source, and its text is in the message;
    /// [`Error::load_source`] returns it with its type.
    LoadFailed,
    /// The loader did not end within the load's timeout and was given up. Nothing was stored.
    LoadTimeout,
    /// The loader panicked; the panic's text is the source, and in the message.
    LoadPanicked,
    /// A loader asked for the key that it is loading.
    LoadCycle,
    /// A blocking load was called on a thread that polls another load. While it blocked, no thread might have
    /// polled that one. Nothing was loaded.
    LoadDeadlock,
    /// The provider was closed.
    Closed,
}

impl ErrorKind {
    /// Whether the provider did not answer, or denied access: [`Unavailable`](ErrorKind::Unavailable),
    /// [`Timeout`](ErrorKind::Timeout) or [`Denied`](ErrorKind::Denied). Every other kind is about the call
    /// itself. Loads go on through an outage: see [`OnFailure`](crate::OnFailure).
    pub fn is_outage(self) -> bool {
        matches!(self, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Denied)
    }

    fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Config => "wrong configuration",
            ErrorKind::UnknownProvider => "unknown provider",
            ErrorKind::InvalidKey => "invalid key",
            ErrorKind::InvalidPattern => "invalid pattern",
            ErrorKind::TooLarge => "too large",
            ErrorKind::Full => "cache full",
            ErrorKind::Codec => "value not storable",
            ErrorKind::InvalidValue => "invalid value",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Timeout => "timed out",
            ErrorKind::Denied => "denied",
            ErrorKind::LoadFailed => "load failed",
            ErrorKind::LoadTimeout => "load timed out",
            ErrorKind::LoadPanicked => "loader panicked",
            ErrorKind::LoadCycle => "load within itself",
            ErrorKind::LoadDeadlock => "load would deadlock",
            ErrorKind::Closed => "closed",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call failed: the [kind](Error::kind), the provider, the operation and the source.
///
/// ```
/// use zbz_cache::{options, ErrorKind};
///
/// let error = zbz_cache::new_provider("memory", options! { "max_sise" => "1GiB" }).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(error.to_string().contains("max_size"), "names the nearest option: {error}");
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    provider: Option<Arc<str>>,
    operation: Option<&'static str>,
    cause: Option<Cause>,
    batch: Option<BatchOutcome>,
    /// For a load that went on without the cache and failed too: why the cache could not be read. Its source
    /// is the loader's error.
    outage: Option<Error>,
}

/// The outcome of a batch in which some names failed.
///
/// The keys are the caller's own names, without the namespace. `Debug` prints how many there are,
/// not the keys.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct BatchOutcome {
    /// The names for which the verb succeeded.
    pub done: Vec<String>,
    /// The names for which it failed, each with its error. For kinds that leave the outcome unknown
    /// ([`ErrorKind::Timeout`], [`ErrorKind::Unavailable`]) it may have taken effect.
    pub failed: Vec<(String, Error)>,
}

impl Error {
    /// An error of this kind; `message` says what happened and what to do next.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let inner = Inner {
            kind,
            message: message.into(),
            provider: None,
            operation: None,
            cause: None,
            batch: None,
            outage: None,
        };
        Error { inner: Arc::new(inner) }
    }

    /// A verb that this provider does not have.
    pub fn unsupported(verb: &'static str) -> Self {
        let message = "the provider does not have this verb; its capabilities() say so";
        Error::new(ErrorKind::Unsupported, message).with_operation(verb)
    }

    /// The error of every verb after close.
    pub fn closed() -> Self {
        Error::new(ErrorKind::Closed, "the cache was closed; make a new provider to go on")
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Config, message)
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit(|inner| inner.cause = Some(Cause::new(source)))
    }

    /// The error of a load, with the loader's own as its source.
    pub(crate) fn load<E>(source: E) -> Self
    where
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let cause = Cause::of_load(source);
        Error::new(ErrorKind::LoadFailed, "the loader failed").edit(|inner| inner.cause = Some(cause))
    }

    /// Adds why the cache could not be read for the load that failed, unless that is set already.
    #[must_use]
    pub(crate) fn with_outage(self, outage: Option<&Error>) -> Self {
        match (outage, &self.inner.outage) {
            (Some(outage), None) => self.edit(|inner| {
                let loader = inner.cause.clone();
                let behind = |outage: &mut Inner| outage.cause = loader.or(outage.cause.take());
                inner.outage = Some(outage.clone().edit(behind));
            }),
            _ => self,
        }
    }

    /// Adds the provider's name, unless there is one already.
    #[must_use]
    pub fn with_provider(self, provider: &Arc<str>) -> Self {
        if self.inner.provider.is_some() {
            return self;
        }
        self.edit(|inner| inner.provider = Some(Arc::clone(provider)))
    }

    /// Adds the name of the verb, unless there is one already.
    #[must_use]
    pub fn with_operation(self, operation: &'static str) -> Self {
        if self.inner.operation.is_some() {
            return self;
        }
        self.edit(|inner| inner.operation = Some(operation))
    }

    /// The error of a batch. Its kind and message are those of the first failure; its source is the first
    /// source of any failure.
    pub(crate) fn batch(outcome: BatchOutcome) -> Self {
        let first = outcome.failed.first().map(|(_, error)| error);
        let kind = first.map_or(ErrorKind::Unavailable, Error::kind);
        let message = first.map_or_else(String::new, |error| error.inner.message.clone());
        let cause = outcome.failed.iter().find_map(|(_, error)| error.inner.cause.clone());
        let outage = outcome.failed.iter().find_map(|(_, error)| error.inner.outage.clone());
        Error::new(kind, message).edit(|inner| {
            (inner.cause, inner.outage) = (cause, outage);
            inner.batch = Some(outcome);
        })
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    /// The kind, to match on.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The name of the provider, if one was involved.
    pub fn provider(&self) -> Option<&str> {
        self.inner.provider.as_deref()
    }

    /// The verb that failed, if one was involved.
    pub fn operation(&self) -> Option<&'static str> {
        self.inner.operation
    }

    /// For a batch: the names that succeeded, and those that failed.
    pub fn batch_outcome(&self) -> Option<&BatchOutcome> {
        self.inner.batch.as_ref()
    }

    /// The error that says that the provider did not answer, if there is one:
    ///
    /// - this error, if its kind [is an outage](ErrorKind::is_outage);
    /// - for a load that went on without the cache and failed, the error of the cache;
    /// - for a batch, the first outage of any of its failures.
    ///
    /// Both errors of such a load are in the chain of sources: first the cache's, then the loader's, which
    /// [`load_source`](Error::load_source) returns with its type in any case. The message has the texts of
    /// both.
    pub fn outage(&self) -> Option<&Error> {
        if let Some(outage) = &self.inner.outage {
            return Some(outage);
        }
        let failed = self.inner.batch.iter().flat_map(|batch| &batch.failed);
        let of_batch = failed.into_iter().find_map(|(_, error)| error.outage());
        of_batch.or_else(|| Some(self).filter(|error| error.kind().is_outage()))
    }

    /// The loader's error, if it is an `E` or holds one: the first along the chain of sources; for a
    /// batch, the first of any of its failures. It looks inside `Arc`, `Box`, the inner error of an
    /// [`io::Error`](std::io::Error), and this error for a loader that itself loads.
    ///
    /// It looks inside an `anyhow::Error` too, with the feature `anyhow`, which is on by default. Without the
    /// feature the outermost error inside is out of reach, as in any type that hides it when it becomes a
    /// `Box<dyn Error>`; an error under a `context` is found.
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use zbz_cache::{Contract, options};
    ///
    /// let provider = zbz_cache::new_provider("memory", options! {})?;
    /// let ages = Contract::<u32>::new("ages", provider)?.cache().blocking();
    /// let failed = ages.get_or_load("1", || "many".parse::<u32>()).unwrap_err();
    /// assert!(failed.load_source::<ParseIntError>().is_some());
    /// assert!(failed.to_string().ends_with("load failed: invalid digit found in string"));
    /// # Ok::<(), zbz_cache::Error>(())
    /// ```
    pub fn load_source<E: StdError + 'static>(&self) -> Option<&E> {
        let own = self.inner.cause.as_ref().and_then(|cause| cause::find(cause.as_error()));
        let failed = self.inner.batch.iter().flat_map(|batch| &batch.failed);
        own.or_else(|| failed.into_iter().find_map(|(_, error)| error.load_source()))
    }

    /// The message without the provider and the operation.
    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, cause, batch, outage, .. } = &*self.inner;
        if let Some(BatchOutcome { done, failed }) = batch
            && let Some((_, first)) = failed.first()
        {
            let all = done.len() + failed.len();
            write!(f, "{} of {all} entries failed, the first because: ", failed.len())?;
            first.write_words(f)?;
            return f.write_str("; batch_outcome() tells of each");
        }
        match (kind, cause) {
            (ErrorKind::LoadFailed | ErrorKind::LoadPanicked, Some(cause)) => {
                write!(f, "{}", cause.as_error())?;
            }
            _ => f.write_str(message)?,
        }
        match outage {
            Some(outage) => write!(f, "; and the cache could not be read: {}", outage.inner.message),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = &self.inner.provider {
            write!(f, "{provider}: ")?;
        }
        if let Some(operation) = self.inner.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{}: ", self.inner.kind)?;
        self.write_words(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.inner.kind).field("message", &self.inner.message);
        if let Some(provider) = &self.inner.provider {
            out.field("provider", provider);
        }
        if let Some(operation) = &self.inner.operation {
            out.field("operation", operation);
        }
        if let Some(cause) = &self.inner.cause {
            out.field("source", &cause.as_error().to_string());
        }
        if let Some(outage) = &self.inner.outage {
            out.field("outage", outage);
        }
        if let Some(batch) = &self.inner.batch {
            out.field("batch", batch);
        }
        out.finish()
    }
}

impl fmt::Debug for BatchOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchOutcome")
            .field("done", &self.done.len())
            .field("failed", &self.failed.len())
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        if let Some(outage) = &self.inner.outage {
            return Some(outage);
        }
        self.inner.cause.as_ref().map(Cause::as_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_and_crosses_threads() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<Error>();
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn display_names_provider_operation_kind_and_words() {
        let error = Error::closed().with_provider(&Arc::from("memory")).with_operation("get");
        let text = error.to_string();
        assert!(text.starts_with("memory: get: closed: "), "{text}");
    }

    #[test]
    fn the_first_provider_and_operation_stay() {
        let error = Error::unsupported("take").with_operation("take");
        assert_eq!(error.operation(), Some("take"));
    }

    #[test]
    fn a_batch_error_takes_the_kind_of_its_first_failure_and_hides_its_keys_from_debug() {
        let failed = vec![("secret".to_owned(), Error::new(ErrorKind::Full, "no room"))];
        let error = Error::batch(BatchOutcome { done: vec!["a".to_owned()], failed });
        assert_eq!(error.kind(), ErrorKind::Full);
        assert!(error.to_string().contains("1 of 2"));
        assert!(!format!("{error:?} {error}").contains("secret"));
        assert_eq!(error.batch_outcome().map(|batch| batch.done.len()), Some(1));
    }
}
