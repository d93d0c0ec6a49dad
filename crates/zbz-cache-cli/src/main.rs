//! The `zbz-cache` command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    zbz_cache_cli::run()
}
