//! [`Suspicion`]: why a value may not come back; and the errors of values that cannot.

use std::fmt;

use serde::ser::Error;

use super::MAX_DEPTH;

/// Why a value may not come back equal.
#[derive(Debug, Clone, Copy)]
pub(in crate::codec) enum Suspicion {
    SomeOfNil,
    NotFinite,
    WrittenKey,
    Wide,
    Single,
    TwoAlike,
    Miscounted,
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Suspicion::SomeOfNil => "it holds a `Some` of a value that is encoded as nil, as `None` is",
            Suspicion::NotFinite => "it holds a number that is not finite, and JSON has none",
            Suspicion::WrittenKey => {
                "it holds a map whose keys are not strings, which JSON turns into strings, inside something \
                 flattened, tagged or untagged"
            }
            Suspicion::Wide => "it holds a number of 128 bits inside something flattened, tagged or untagged",
            Suspicion::Single => {
                "it holds an `f32` that is rounded twice when it is read from JSON as an `f64`"
            }
            Suspicion::TwoAlike => "it holds a map with one key twice",
            Suspicion::Miscounted => "it holds a list or a map whose stated length is wrong",
        })
    }
}

#[cold]
pub(super) fn too_deep<E: Error>() -> E {
    E::custom(format_args!(
        "it is nested more than {MAX_DEPTH} levels deep, which no reader accepts; store it flat, or in parts"
    ))
}

#[cold]
pub(super) fn too_long<E: Error>() -> E {
    E::custom(
        "it holds more bytes or elements in one place than a 32-bit length can express; store it in parts",
    )
}
