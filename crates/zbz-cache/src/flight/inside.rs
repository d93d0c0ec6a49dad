//! Loaders that ask for their own key, and loaders that panic.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error as StdError;
use std::fmt;
use std::ptr;

use super::work::Work;
use crate::error::{Error, ErrorKind};

super::sync::thread_local! {
    /// The flights whose loaders run on this thread at this moment, outermost first.
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// While this lives, a loader of the flight runs on this thread.
pub(crate) struct Loading;

impl Loading {
    pub(super) fn enter(work: &Work) -> Loading {
        INSIDE.with(|inside| inside.borrow_mut().push(ptr::from_ref(work).addr()));
        Loading
    }

    pub(super) fn is_inside(work: &Work) -> bool {
        INSIDE.with(|inside| inside.borrow().contains(&(ptr::from_ref(work).addr())))
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        INSIDE.with(|inside| inside.borrow_mut().pop());
    }
}

/// The message of a loader's panic, as the source of an error.
#[derive(Debug)]
struct PanicWords(String);

impl fmt::Display for PanicWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for PanicWords {}

pub(super) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    let words = words.unwrap_or_else(|| "a panic without words".to_owned());
    Error::new(ErrorKind::LoadPanicked, "the loader panicked").with_source(PanicWords(words))
}
