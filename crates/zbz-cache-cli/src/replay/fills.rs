//! [`Fills`]: what a replay takes for granted.

use crate::numbers::parse_bytes;

/// What stands in for what a trace does not tell.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Fills {
    /// Bytes of a value whose size the trace does not tell
    ///
    /// A size of 1 in oracleGeneral, no size column, an empty field, and the read of 0 bytes in a trace with operations
    /// all mean "not told".
    #[arg(
        long = "value-size",
        value_name = "BYTES",
        value_parser = parse_bytes,
        allow_negative_numbers = true,
        default_value = "256"
    )]
    pub value_bytes: u64,
}
