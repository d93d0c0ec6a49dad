//! Options from the environment.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

use super::{KnownOptions, options_of};
use crate::error::{Error, Result};
use crate::options::{ENV_PREFIX, Options, did_you_mean};

/// The name of the variable that a program may read itself and pass to
/// [`new_provider_from_url`](crate::new_provider_from_url).
pub(super) const URL_VARIABLE: &str = "url";

/// The variables with a warning so far: each is warned about only once.
static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Options {
    /// The options of `provider` from this process's environment: `ZBZ_CACHE_MAX_SIZE` is
    /// `max_size`, `ZBZ_CACHE_NEAR__MAX_SIZE` is `near.max_size`. Options of other providers are ignored, with
    /// a warning if this build leaves that provider out. `ZBZ_CACHE_URL`, which the program has to read
    /// itself, is ignored with a warning too. A provider that did not declare its options gets all others.
    ///
    /// # Errors
    ///
    /// `UnknownProvider`. `Config`: a variable with that prefix that no provider knows, or one of
    /// `provider` whose value is empty or not Unicode.
    pub fn from_env(provider: &str) -> Result<Options> {
        let variables = std::env::vars_os();
        read(provider, variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value))))
    }

    /// As [`from_env`](Options::from_env), from these variables.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn from_variables(
        provider: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Options> {
        read(provider, variables.into_iter().map(|(name, value)| (name, value.into())))
    }
}

/// Values are converted to text only when they are read, since those of others may be any bytes.
fn read(provider: &str, variables: impl Iterator<Item = (String, OsString)>) -> Result<Options> {
    let knowing = options_of(provider)?;
    let mut options = Options::new();
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix(ENV_PREFIX) else { continue };
        let name = name.to_ascii_lowercase().replace("__", ".");
        if knowing.takes(&name) {
            let value = text_of(&variable, value)?;
            if options.get(&name).is_some() {
                return Err(Error::config(format!(
                    "two environment variables give the option {name:?}, {variable} is one; unset one"
                )));
            }
            options = options.with(name, value);
        } else if !knowing.is_anothers(&name) {
            pass_over(&variable, &name, &knowing)?;
        }
    }
    Ok(options)
}

/// The value of a variable that gives an option.
fn text_of(variable: &str, value: OsString) -> Result<String> {
    match value.into_string() {
        Ok(text) if text.is_empty() => Err(Error::config(format!(
            "the environment variable {variable} is empty; unset it, or give it a value"
        ))),
        Ok(text) => Ok(text),
        Err(_) => Err(Error::config(format!(
            "the environment variable {variable} has a value that is not Unicode; write it in UTF-8"
        ))),
    }
}

/// Warns, once, that no provider reads this variable.
fn pass_over(variable: &str, name: &str, knowing: &KnownOptions) -> Result<()> {
    let why = match knowing.missing_provider(name) {
        Some(missing) => format!(
            "it is an option of the provider {:?}, which is not in this build; turn on the feature {:?} of \
             zbz-cache, or unset it",
            missing.names[0], missing.feature
        ),
        None if name == URL_VARIABLE => {
            "it is no option of a provider; read it in the program and hand it to new_provider_from_url"
                .to_owned()
        }
        None => {
            return Err(Error::config(format!(
                "no registered provider knows the option of the environment variable {variable}{}",
                did_you_mean(name, &knowing.all())
            )));
        }
    };
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    let is_news = warned.insert(variable.to_owned());
    drop(warned);
    if is_news {
        warn_log!(variable = variable, why = why, "an environment variable is passed over");
    }
    Ok(())
}

#[cfg(all(test, unix, feature = "memory"))]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn from(variable: &str) -> Result<Options> {
        read("memory", [(variable.to_owned(), OsString::from_vec(b"sentinel\xff".to_vec()))].into_iter())
    }

    #[test]
    fn a_value_that_is_not_unicode_is_refused_only_where_it_would_be_read() {
        let theirs = ["path", "kind"];
        let make = |_: &Options| Err::<crate::providers::memory::MemoryProvider, _>(Error::closed());
        crate::registry::register_provider_with_options("not-unicode", &theirs, make).unwrap();
        for passed in
            ["ZBZ_CACHE_PATH", "ZBZ_CACHE_URL", "ZBZ_CACHE_PASSWORD", "ZBZ_CACHE_FAR__TLS_CA", "PATH"]
        {
            assert!(from(passed).unwrap().is_empty(), "{passed} is no option of memory");
        }
        let words = from("ZBZ_CACHE_WHEN_FULL").unwrap_err().to_string();
        assert!(words.contains("ZBZ_CACHE_WHEN_FULL has a value that is not Unicode"), "{words}");
        assert!(!words.contains("sentinel"), "{words}");
        let words = from("ZBZ_CACHE_WHEN_FUL").unwrap_err().to_string();
        assert!(
            words.contains("did you mean \"when_full\""),
            "no provider reads it, so its name is reported: {words}"
        );
    }
}
