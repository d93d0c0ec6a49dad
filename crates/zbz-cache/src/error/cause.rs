//! [`Cause`]: the source of an error, kept so that its type can be recovered.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use super::Error;

/// Cheap to clone, like the error that holds it.
#[derive(Clone)]
pub(super) enum Cause {
    Plain(Arc<dyn StdError + Send + Sync>),
    /// Kept unboxed: a boxed `anyhow::Error` hides the type of the error inside.
    #[cfg(feature = "anyhow")]
    Anyhow(Arc<anyhow::Error>),
}

impl Cause {
    pub(super) fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Cause::Plain(Arc::new(error))
    }

    /// The error that a loader returned.
    pub(super) fn of_load<E>(error: E) -> Self
    where
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        #[cfg(feature = "anyhow")]
        let error = match anyhow_from(error) {
            Ok(error) => return Cause::Anyhow(Arc::new(error)),
            Err(error) => error,
        };
        Cause::Plain(Arc::from(error.into()))
    }

    pub(super) fn as_error(&self) -> &(dyn StdError + 'static) {
        match self {
            Cause::Plain(error) => &**error,
            #[cfg(feature = "anyhow")]
            // An `anyhow::Error` made of a boxed error hides that too.
            Cause::Anyhow(error) => match error.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
                Some(boxed) => &**boxed,
                None => &***error,
            },
        }
    }
}

/// The error itself, if it is an `anyhow::Error`.
#[cfg(feature = "anyhow")]
fn anyhow_from<E: 'static>(error: E) -> Result<anyhow::Error, E> {
    let mut error = Some(error);
    let slot: &mut dyn std::any::Any = &mut error;
    if let Some(found) = slot.downcast_mut::<Option<anyhow::Error>>().and_then(Option::take) {
        return Ok(found);
    }
    Err(error.expect("only the other type was taken"))
}

/// The first `E` among an error, the errors it wraps, and its sources.
pub(super) fn find<'a, E: StdError + 'static>(mut error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    loop {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An error of this crate may be that of a batch, which has several causes.
        if let Some(own) = error.downcast_ref::<Error>() {
            return own.load_source();
        }
        error = match inside::<E>(error) {
            Some(inside) => inside,
            None => error.source()?,
        };
    }
}

/// The error inside a wrapper whose `source` skips it.
fn inside<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(shared) = error.downcast_ref::<Arc<E>>() {
        return Some(&**shared);
    }
    if let Some(boxed) = error.downcast_ref::<Box<E>>() {
        return Some(&**boxed);
    }
    if let Some(shared) = error.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
        return Some(&**shared);
    }
    let inside = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(inside)
}
