//! [`LoadOptions`]: how loads are done and how their values are stored, as defaults on a contract or for
//! one call.

use std::time::Duration;

use super::spawner::Spawner;
use super::terms::{Refresh, Terms};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::ttl::{Lifetime, TTL_HORIZON, Ttl};

/// Options of loads. An option that is not set for a call is that of the contract; if neither sets it, it
/// is off. Made by [`builder`](LoadOptions::builder), or [from a map](LoadOptions::from_options).
///
/// ```
/// use std::time::Duration;
/// use zbz_cache::LoadOptions;
///
/// let options = LoadOptions::builder()
///     .ttl(Duration::from_secs(300))
///     .fresh_for(Duration::from_secs(60))
///     .refresh_by_callers()
///     .stale_on_error(Duration::from_secs(5))
///     .jitter_percent(10.0)
///     .build()?;
///
/// let wrong = LoadOptions::builder().ttl(Duration::from_secs(1)).fresh_for(Duration::from_secs(2)).build();
/// assert!(wrong.unwrap_err().to_string().contains("fresh_for is 2s and ttl is 1s"));
/// # let _ = options;
/// # Ok::<(), zbz_cache::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    pub(crate) ttl: Ttl,
    pub(super) absent_ttl: Option<Duration>,
    pub(super) fresh_for: Option<Duration>,
    pub(super) refresh: Option<Refresh>,
    pub(super) cool_down: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) jitter: Option<f64>,
}

/// Makes [`LoadOptions`].
#[derive(Debug, Clone, Default)]
#[must_use = "it makes options when it is built"]
pub struct LoadOptionsBuilder {
    options: LoadOptions,
}

impl LoadOptionsBuilder {
    /// How long loaded values live, unless the loader says otherwise: more than zero. Without it the
    /// contract's default, else the provider's.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.options.ttl = ttl.into();
        self
    }

    /// How long an absence is remembered. Without it, only if the loader gives a TTL.
    pub fn absent_ttl(mut self, span: Duration) -> Self {
        self.options.absent_ttl = Some(span);
        self
    }

    /// How long an entry is fresh, at most its TTL. After that it is stale until its TTL ends: it is served at
    /// once, and refreshed in the background, once at a time. Needs a [spawner](Self::spawner)
    /// (with the feature `tokio`, the runtime in which the contract is made is one), or
    /// [`refresh_by_callers`](Self::refresh_by_callers). If its executor drops a refresh, for example because
    /// it was shut down, the refresh counts as failed, and callers refresh by themselves for a second.
    pub fn fresh_for(mut self, span: Duration) -> Self {
        self.options.fresh_for = Some(span);
        self
    }

    /// The spawner that runs refreshes in the background.
    pub fn spawner(mut self, spawner: Spawner) -> Self {
        self.options.refresh = Some(Refresh::Spawned(spawner));
        self
    }

    /// Refreshes without a background: one of the callers of a stale entry loads and waits, and the others get
    /// the stale value meanwhile.
    pub fn refresh_by_callers(mut self) -> Self {
        self.options.refresh = Some(Refresh::ByCallers);
        self
    }

    /// After a failed refresh the stale value is served until its TTL ends, and no caller tries again for
    /// this long.
    pub fn stale_on_error(mut self, cool_down: Duration) -> Self {
        self.options.cool_down = Some(cool_down);
        self
    }

    /// A load that has not ended after this span is given up: every caller that waits for it gets an
    /// error of kind `LoadTimeout`. It is real time, not the cache's clock, and the first caller's
    /// timeout applies to every caller that joins. A loader that is a future is dropped. A blocking
    /// loader goes on; its own caller returns when it ends, and its value is not stored.
    pub fn timeout(mut self, span: Duration) -> Self {
        self.options.timeout = Some(span);
        self
    }

    /// Shortens the TTL of loaded entries, and their fresh time with it, by a random share of at most this
    /// many percent, so that entries that were loaded together do not expire together.
    pub fn jitter_percent(mut self, percent: f64) -> Self {
        self.options.jitter = Some(percent);
        self
    }

    /// The options.
    ///
    /// # Errors
    ///
    /// `Config`: a span of zero, or one above 100 years (a `ttl` above that is never), a jitter outside of 0
    /// to 100, or a `fresh_for` longer than the TTL.
    pub fn build(self) -> Result<LoadOptions> {
        self.options.check_alone()?;
        if self.options.ttl != Ttl::Default {
            self.options.check_with(self.options.ttl)?;
        }
        Ok(self.options)
    }
}

const GIVE: &str = "give one here, or a default_ttl to the contract or to the provider";

const NAMES: [&str; 6] = ["ttl", "absent_ttl", "fresh_for", "stale_on_error", "timeout", "jitter"];

impl LoadOptions {
    /// Begins with no option set.
    pub fn builder() -> LoadOptionsBuilder {
        LoadOptionsBuilder::default()
    }

    /// Makes them from names and values, such as a program's configuration has: `ttl`, `absent_ttl`,
    /// `fresh_for`, `stale_on_error` and `timeout` are durations (`ttl` also "never", and not zero),
    /// `jitter` is a percentage (`"10%"` or 10). A spawner can only be set in code.
    ///
    /// # Errors
    ///
    /// `Config`: an unknown name, a malformed value, or as in [`build`](LoadOptionsBuilder::build).
    pub fn from_options(options: &Options) -> Result<LoadOptionsBuilder> {
        options.refuse_unknown(&NAMES)?;
        let mut builder = LoadOptions::builder();
        let made = &mut builder.options;
        made.ttl = options.ttl("ttl")?.unwrap_or_default();
        made.absent_ttl = options.duration("absent_ttl")?;
        made.fresh_for = options.duration("fresh_for")?;
        made.cool_down = options.duration("stale_on_error")?;
        made.timeout = options.duration("timeout")?;
        made.jitter = options.percent("jitter")?;
        builder.options.check_alone()?;
        Ok(builder)
    }

    /// These options, with unset ones taken from `defaults`.
    pub(crate) fn or(&self, defaults: &LoadOptions) -> LoadOptions {
        LoadOptions {
            ttl: self.ttl.or(defaults.ttl),
            absent_ttl: self.absent_ttl.or(defaults.absent_ttl),
            fresh_for: self.fresh_for.or(defaults.fresh_for),
            refresh: self.refresh.clone().or_else(|| defaults.refresh.clone()),
            cool_down: self.cool_down.or(defaults.cool_down),
            timeout: self.timeout.or(defaults.timeout),
            jitter: self.jitter.or(defaults.jitter),
        }
    }

    /// These options, with the way of refreshing that was resolved once for these terms.
    pub(crate) fn with_refresh(self, terms: &Terms) -> LoadOptions {
        let refresh = self.fresh_for.map(|_| terms.refresh.clone());
        LoadOptions { refresh: refresh.or(self.refresh), ..self }
    }

    /// Checks each value by itself.
    fn check_alone(&self) -> Result<()> {
        let spans = [
            ("absent_ttl", self.absent_ttl),
            ("fresh_for", self.fresh_for),
            ("stale_on_error", self.cool_down),
            ("timeout", self.timeout),
        ];
        for (name, span) in spans {
            let Some(span) = span else { continue };
            if span.is_zero() || span > TTL_HORIZON {
                return Err(Error::config(format!(
                    "{name} is {span:?}; it takes more than zero and at most {TTL_HORIZON:?} (100 years)"
                )));
            }
        }
        if self.ttl.lifetime() == Lifetime::Gone {
            return Err(Error::config(
                "ttl is zero, so what is loaded would be gone at once; it takes more than zero, or Ttl::Never",
            ));
        }
        match self.jitter {
            Some(percent) if !(0.0..=100.0).contains(&percent) => {
                Err(Error::config(format!("jitter is {percent} percent; it takes 0 to 100")))
            }
            _ => Ok(()),
        }
    }

    /// Checks them against this TTL.
    pub(super) fn check_with(&self, ttl: Ttl) -> Result<()> {
        if let Some(fresh_for) = self.fresh_for {
            let advice = match (ttl, ttl.lifetime()) {
                (Ttl::Default, _) => {
                    format!("no ttl is given; {GIVE}")
                }
                (_, Lifetime::Never) => {
                    "ttl is never; an entry without a deadline is never stale, so give a ttl".to_owned()
                }
                (_, Lifetime::For(span)) if fresh_for <= span => return Ok(()),
                (Ttl::After(span), _) => format!("ttl is {span:?}; fresh_for is at most ttl"),
                (Ttl::Never, _) => return Ok(()),
            };
            return Err(Error::config(format!("fresh_for is {fresh_for:?} and {advice}")));
        }
        match self.jitter {
            Some(percent) if percent > 0.0 && ttl == Ttl::Default => {
                Err(Error::config(format!("jitter is {percent} percent and no ttl is given; {GIVE}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
