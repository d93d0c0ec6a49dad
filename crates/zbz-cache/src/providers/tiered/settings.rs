//! [`Settings`]: the options of a tier, read and checked when it is made.

use std::time::Duration;

use zbz_cache_memory::MemoryCache;

use super::super::memory;
use super::builder::{Builder, MAX_NEAR_TTL, NEAR_TTL_TAKES, is_near_ttl};
use crate::error::{Error, Result};
use crate::handle::ProviderHandle;
use crate::options::{OptionValue, Options, built_in};

/// What the words of `coherence` mean: whether time alone ends a copy.
const COHERENCE: [(&str, bool); 2] = [("push", false), ("ttl", true)];

/// Makes a provider by name from options of its own.
pub(crate) type MakeProvider = fn(&str, Options) -> Result<ProviderHandle>;

/// # Errors
///
/// `Config`, naming the option, and whatever `make` says to the far side's own. `UnknownProvider`: the
/// far side's.
pub(super) fn read(options: &Options, make: MakeProvider) -> Result<Builder> {
    // It evicts, whatever its size, and its entries have no deadline that it knows of.
    let mut near = MemoryCache::builder().cleanup_interval(Duration::ZERO);
    if let Some(bytes) = options.bytes("near.max_size")? {
        near = near.max_size(bytes);
    }
    let max_near_ttl = options.duration("max_near_ttl")?.unwrap_or(MAX_NEAR_TTL);
    if !is_near_ttl(max_near_ttl) {
        return Err(options.wrong("max_near_ttl", NEAR_TTL_TAKES));
    }
    let coherence = options.word("coherence", &COHERENCE.map(|(word, _)| word))?;
    let far = far_of(options, make)?;
    let near = near.build().map_err(|error| memory::refused(options, "near.", error))?;
    let builder = Builder::new(near, far).max_near_ttl(max_near_ttl);
    Ok(match coherence {
        Some(index) if COHERENCE[index].1 => builder.ttl_only(),
        _ => builder,
    })
}

/// The far side: a name or a URL, and options of its own behind `far.`.
fn far_of(options: &Options, make: MakeProvider) -> Result<ProviderHandle> {
    let Some(far) = options.text("far")? else {
        return Err(Error::config(
            "option \"far\" is missing; give the provider behind the memory: \"redis\", or a URL, redis://host:6379",
        ));
    };
    let (name, mut its) = match (far.contains("://"), options.is_concealed()) {
        (true, true) => Options::from_inner_url(&far)?,
        (true, false) => Options::from_url(&far)?,
        // Perhaps a URL with a typing error, so it is not shown.
        (false, _) => (far, Options::new().concealed()),
    };
    for option in options.names() {
        let (Some(own), Some(value)) = (option.strip_prefix("far."), options.get(option)) else { continue };
        if its.get(own).is_some() {
            let shown = if built_in::is_option(option) { option } else { "far.*" };
            return Err(Error::config(format!(
                "option {shown:?} is given twice, also in the URL of \"far\"; give it once"
            )));
        }
        its = its.with(own, OptionValue::clone(value));
    }
    make(&name, its)
}
