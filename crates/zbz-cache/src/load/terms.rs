//! [`Terms`]: load options with all defaults resolved.

use std::time::Duration;

use super::on_failure::OnFailure;
use super::options::LoadOptions;
use super::spawner::Spawner;
use crate::error::{Error, Result};
use crate::flight::Plan;
use crate::provider::ReadParts;
use crate::ttl::{Lifetime, Ttl};

/// How a stale entry is refreshed.
#[derive(Debug, Clone)]
pub(crate) enum Refresh {
    Spawned(Spawner),
    ByCallers,
}

#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// The provider's default only if nothing else is known.
    pub(crate) ttl: Ttl,
    pub(crate) absent_ttl: Option<Duration>,
    pub(crate) fresh_for: Option<Duration>,
    pub(crate) refresh: Refresh,
    pub(crate) cool_down: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    /// The largest share by which an entry's TTL is shortened.
    jitter: f64,
    /// Whether the caller needs the entry's remaining TTL.
    pub(crate) tells_ttl: bool,
    /// The contract's.
    pub(crate) on_failure: OnFailure,
}

impl Refresh {
    /// The spawner for refreshes in the background, if there is one that is trusted.
    pub(crate) fn spawner(&self) -> Option<&Spawner> {
        match self {
            Refresh::Spawned(spawner) => Some(spawner).filter(|spawner| spawner.is_trusted()),
            Refresh::ByCallers => None,
        }
    }
}

impl Terms {
    /// Whether a failed refresh is answered by the stale value, if that still exists: either it was asked for,
    /// or the caller only stands in for the background, whose failures are not its own.
    pub(crate) fn excuses_refreshes(&self) -> bool {
        self.cool_down.is_some() || matches!(self.refresh, Refresh::Spawned(_))
    }

    /// The terms of a contract without load options.
    pub(crate) fn plain() -> Self {
        Terms {
            ttl: Ttl::Default,
            absent_ttl: None,
            fresh_for: None,
            refresh: Refresh::ByCallers,
            cool_down: None,
            timeout: None,
            jitter: 0.0,
            tells_ttl: false,
            on_failure: OnFailure::default(),
        }
    }

    /// As [`resolve`](Terms::resolve), for all loads of a contract.
    ///
    /// # Errors
    ///
    /// As there, and `Config` if no loaded value would ever be stored.
    pub(crate) fn of_contract(options: &LoadOptions, default_ttl: Ttl, has_header: bool) -> Result<Self> {
        if options.ttl.or(default_ttl).lifetime() == Lifetime::Gone {
            return Err(Error::config(
                "the default ttl is zero, so what is loaded would be gone at once; give a ttl here, or a \
                 default_ttl of more than zero",
            ));
        }
        Terms::resolve(options, default_ttl, has_header)
    }

    /// # Errors
    ///
    /// `Config`: the options contradict each other, or one lacks another that it needs.
    pub(crate) fn resolve(options: &LoadOptions, default_ttl: Ttl, has_header: bool) -> Result<Self> {
        let ttl = options.ttl.or(default_ttl);
        options.check_with(ttl)?;
        let headless = match (options.fresh_for, options.absent_ttl) {
            _ if has_header => None,
            (Some(span), _) => Some(("fresh_for", span)),
            (None, span) => span.map(|span| ("absent_ttl", span)),
        };
        if let Some((name, span)) = headless {
            return Err(Error::config(format!(
                "{name} is {span:?} and the contract is raw: its values have no header to hold that; \
                 use Contract::new, or leave {name} out"
            )));
        }
        let refresh = match (&options.refresh, options.fresh_for) {
            (Some(refresh), _) => refresh.clone(),
            (None, None) => Refresh::ByCallers,
            (None, Some(span)) => Refresh::Spawned(find_spawner(span)?),
        };
        if let (Some(span), None) = (options.cool_down, options.fresh_for) {
            return Err(Error::config(format!(
                "stale_on_error is {span:?} and there is no fresh_for, so nothing is ever stale; give one"
            )));
        }
        Ok(Terms {
            ttl,
            absent_ttl: options.absent_ttl,
            fresh_for: options.fresh_for,
            refresh,
            cool_down: options.cool_down,
            timeout: options.timeout,
            jitter: options.jitter.unwrap_or(0.0) / 100.0,
            tells_ttl: false,
            on_failure: OnFailure::default(),
        })
    }

    /// These terms with the contract's [`OnFailure`].
    pub(crate) fn on_failure(self, on_failure: OnFailure) -> Self {
        Terms { on_failure, ..self }
    }

    /// Whether a load goes on after its read of the cache failed with this error.
    pub(crate) fn goes_around(&self, error: &Error) -> bool {
        error.kind().is_outage() && self.on_failure != OnFailure::Error
    }

    /// These terms, for a caller that needs the entry's remaining TTL.
    pub(crate) fn telling_ttl(self) -> Self {
        Terms { tells_ttl: true, ..self }
    }

    /// The parts of an entry that a look has to read: all of them if the remaining TTL is needed.
    pub(crate) fn parts(&self) -> ReadParts {
        if self.tells_ttl || self.fresh_for.is_some() { ReadParts::All } else { ReadParts::Value }
    }

    pub(crate) fn plan(&self, blocking: bool) -> Plan {
        Plan { timeout: self.timeout, cool_down: self.cool_down, blocking }
    }

    /// How long before its deadline an entry with this TTL becomes stale, if it does.
    pub(crate) fn span(&self, ttl: Ttl) -> Option<Duration> {
        let fresh_for = self.fresh_for?;
        match ttl.lifetime() {
            Lifetime::For(life) => life.checked_sub(fresh_for).filter(|span| !span.is_zero()),
            Lifetime::Gone | Lifetime::Never => None,
        }
    }

    /// The TTL and the stale span of a loaded entry; `draw` is a random number.
    pub(crate) fn shortened(&self, ttl: Ttl, draw: u64) -> (Ttl, Option<Duration>) {
        let Lifetime::For(life) = ttl.lifetime() else { return (ttl, None) };
        let span = self.span(ttl);
        if self.jitter == 0.0 {
            return (ttl, span);
        }
        // In [0, 1): an `f64` holds 53 bits.
        let share = (draw >> 11) as f64 / (1_u64 << 53) as f64;
        let left = 1.0 - self.jitter * share;
        // In whole milliseconds, which every provider keeps exactly.
        let short = Duration::from_millis(life.mul_f64(left).as_millis() as u64);
        let short = short.clamp(Duration::from_millis(1), life);
        // The same share of both, so that the fresh time never exceeds the TTL.
        let share = short.as_secs_f64() / life.as_secs_f64();
        (Ttl::After(short), span.map(|span| span.mul_f64(share).min(short)))
    }
}

#[cfg(feature = "tokio")]
fn find_spawner(span: Duration) -> Result<Spawner> {
    Spawner::tokio().map_err(|source| no_spawner(span).with_source(source))
}

#[cfg(not(feature = "tokio"))]
fn find_spawner(span: Duration) -> Result<Spawner> {
    Err(no_spawner(span))
}

fn no_spawner(span: Duration) -> Error {
    Error::config(format!(
        "fresh_for is {span:?} and there is no spawner to refresh in the background; make the contract \
         inside a tokio runtime (feature `tokio`), give a spawner, or say refresh_by_callers"
    ))
}
