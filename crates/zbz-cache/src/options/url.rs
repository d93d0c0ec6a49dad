//! Options from a URL. No error shows any part of the URL: each may be a secret in the wrong place.

use std::borrow::Cow;
use std::collections::btree_map::Entry;

use percent_encoding::percent_decode_str;

use super::{OptionValue, Options};
use crate::error::{Error, Result};

const ENCODE: &str = "percent-encode the password (@ is %40, ? is %3F, # is %23, / is %2F, % is %25)";

/// For a URL that was an option in another one, and so is already decoded once.
#[cfg(feature = "tiered")]
const ENCODE_TWICE: &str = "percent-encode the password twice, since its URL is within another \
     (@ is %2540, ? is %253F, # is %2523, / is %252F, % is %2525)";

/// The text between the scheme and the query, and the query.
struct Parts<'a> {
    scheme: String,
    address: &'a str,
    query: &'a str,
}

fn split<'a>(url: &'a str, encode: &str) -> Result<Parts<'a>> {
    if has_blanks(url) {
        return Err(Error::config(
            "the URL has a space, a line break or another control character in it; take it out, or \
             percent-encode it where it belongs to a password",
        ));
    }
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).ok_or_else(|| {
        Error::config("a cache's URL begins with its provider: memory://?max_size=64MiB, redis://host:6379")
    })?;
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    if rest[end..].contains('@') {
        let whole = match rest[end..].contains("://") {
            true => ", and a URL within this one as a whole",
            false => "",
        };
        return Err(Error::config(format!("the URL has an @ behind its first ? or #; {encode}{whole}")));
    }
    if rest.contains('#') {
        return Err(Error::config(format!("the URL has a #, which nothing in it may hold; {encode}")));
    }
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    Ok(Parts { scheme: scheme.to_ascii_lowercase(), address: address.trim_end_matches('/'), query })
}

/// Whether a text has blanks or control characters, which no URL and no address may hold.
pub(crate) fn has_blanks(text: &str) -> bool {
    text.contains(|char: char| char.is_whitespace() || char.is_control())
}

/// Decodes the percent-encoding of a part of a URL. A `+` is kept. `None` if a `%` is not followed by two
/// hexadecimal digits (except at the end, as in `25%`), or if the result is not UTF-8.
pub(crate) fn decode(part: &str) -> Option<Cow<'_, str>> {
    let is_hex = |digit: Option<u8>| digit.is_some_and(|digit| digit.is_ascii_hexdigit());
    let is_fine = part.match_indices('%').all(|(at, _)| {
        let mut after = part.bytes().skip(at + 1);
        at + 1 == part.len() || is_hex(after.next()) && is_hex(after.next())
    });
    is_fine.then(|| percent_decode_str(part).decode_utf8().ok())?
}

impl Options {
    /// A provider's name and its options from a URL: `memory://?max_size=64MiB`.
    ///
    /// The scheme is the name, and the query holds the options, percent-encoded: a `+` is a plus sign,
    /// not a space. The text between them, if any, becomes the option `address`. A password with an `@`, `?`,
    /// `#` or `%` has to be percent-encoded; twice if its URL is the value of an option in this URL, since
    /// that is percent-encoded as a whole.
    ///
    /// # Errors
    ///
    /// `Config`: it has no scheme, an option twice, a `#`, an `@` after the first `?`, blanks or line breaks,
    /// or a wrong percent-encoding. No error shows any part of a URL, neither here nor later when a provider
    /// is made from these options, except the names of known providers and of their options.
    pub fn from_url(url: &str) -> Result<(String, Options)> {
        read(url, ENCODE)
    }

    /// As [`from_url`](Options::from_url), for a URL that was an option in another one.
    #[cfg(feature = "tiered")]
    pub(crate) fn from_inner_url(url: &str) -> Result<(String, Options)> {
        read(url, ENCODE_TWICE)
    }
}

/// `encode` says how a password is written.
fn read(url: &str, encode: &str) -> Result<(String, Options)> {
    let Parts { scheme, address, query } = split(url, encode)?;
    let mut options = Options::new().concealed();
    if !address.is_empty() {
        options = options.with("address", address);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(Error::config(format!(
                "the URL has a % without two hexadecimal digits behind it, or one that makes no UTF-8; {encode}"
            )));
        };
        match options.values.entry(name.into_owned()) {
            Entry::Vacant(entry) => entry.insert(OptionValue::Text(value.into_owned())),
            Entry::Occupied(_) => {
                return Err(Error::config("the URL gives an option twice; give it once"));
            }
        };
    }
    Ok((scheme, options))
}

#[cfg(test)]
mod tests;
