//! Options from the environment.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::{ENV_PREFIX, Options, did_you_mean};
use crate::error::{Error, Result};
use crate::registry::KnownOptions;

/// What a program may read for itself, and hand to [`new_provider_from_url`](crate::new_provider_from_url).
const URL: &str = "url";

/// The variables that were warned of, so that each costs one warning however often it is met.
static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Options {
    /// The options of `provider` from this process's environment: `ZBZ_CACHE_MAX_SIZE` is
    /// `max_size`, `ZBZ_CACHE_NEAR__MAX_SIZE` is `near.max_size`. Those of other providers are
    /// passed over; with a warning if this build does not have the provider, as is
    /// `ZBZ_CACHE_URL`, which is for the program to read.
    ///
    /// # Errors
    ///
    /// `UnknownProvider`. `Config`: a variable with that prefix that no provider knows, or one of
    /// `provider` whose value is empty or not Unicode.
    pub fn from_env(provider: &str) -> Result<Options> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(ENV_PREFIX)) else { continue };
            let value = value.into_string().map_err(|_| {
                Error::config(format!("the value of the environment variable {name} is not Unicode"))
            })?;
            variables.push((name.to_owned(), value));
        }
        Options::from_variables(provider, variables)
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
        let knowing = crate::registry::options_of(provider)?;
        let mut options = Options::new();
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix(ENV_PREFIX) else { continue };
            let name = name.to_ascii_lowercase().replace("__", ".");
            if knowing.takes(&name) {
                if value.is_empty() {
                    return Err(Error::config(format!(
                        "the environment variable {variable} is empty; unset it, or give it a value"
                    )));
                }
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
}

/// A variable of no registered provider, once it is told why nobody reads it.
fn pass_over(variable: &str, name: &str, knowing: &KnownOptions) -> Result<()> {
    let why = match knowing.missing_provider(name) {
        Some(missing) => format!(
            "it is an option of the provider {:?}, which is not in this build; turn on the feature {:?} of \
             zbz-cache, or unset it",
            missing.names[0], missing.feature
        ),
        None if name == URL => {
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
