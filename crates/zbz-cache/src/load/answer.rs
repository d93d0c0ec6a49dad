//! The results that loaders may return: a `Result` of anything that becomes a [`Loaded`], with any error.

use std::error::Error as StdError;

use super::outcome::Loaded;
use crate::error::{Error, Result};

mod sealed {
    pub trait Sealed {}
    impl<L, E> Sealed for Result<L, E> {}
    impl<K, L> Sealed for (K, L) {}
}

/// The result of a loader of one key: `Result<L, E>`, where `L` is a `T`, an `Option<T>` or a
/// [`Loaded<T>`], and `E` any error that is `Send` and `Sync`, or anything else that converts into a boxed
/// error: a text, an `anyhow::Error`. [`Error::load_source`] returns it.
pub trait LoadAnswer<T>: sealed::Sealed {
    /// Converts the result.
    ///
    /// # Errors
    ///
    /// `LoadFailed`, with the loader's error as its source.
    fn into_loaded(self) -> Result<Loaded<T>>;
}

impl<T, L, E> LoadAnswer<T> for Result<L, E>
where
    L: Into<Loaded<T>>,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    fn into_loaded(self) -> Result<Loaded<T>> {
        self.map(Into::into).map_err(Error::load)
    }
}

/// One name and its answer: `(String, L)` with an `L` as in [`LoadAnswer`].
pub trait LoadedEntry<T>: sealed::Sealed {
    /// The two.
    fn into_entry(self) -> (String, Loaded<T>);
}

impl<T, K: Into<String>, L: Into<Loaded<T>>> LoadedEntry<T> for (K, L) {
    fn into_entry(self) -> (String, Loaded<T>) {
        (self.0.into(), self.1.into())
    }
}

/// The result of a loader of many keys: `Result<I, E>`, where `I` is a map, a vector or anything else
/// that iterates over names and their answers, and `E` is as in [`LoadAnswer`]. A name that it leaves out
/// is absent; a name that was not asked for is ignored.
pub trait LoadAnswers<T>: sealed::Sealed {
    /// Calls `each` for every name.
    ///
    /// # Errors
    ///
    /// `LoadFailed`, with the loader's error as its source.
    fn for_each(self, each: impl FnMut(String, Loaded<T>)) -> Result<()>;
}

impl<T, I, E> LoadAnswers<T> for Result<I, E>
where
    I: IntoIterator<Item: LoadedEntry<T>>,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    fn for_each(self, mut each: impl FnMut(String, Loaded<T>)) -> Result<()> {
        for entry in self.map_err(Error::load)? {
            let (name, loaded) = entry.into_entry();
            each(name, loaded);
        }
        Ok(())
    }
}
