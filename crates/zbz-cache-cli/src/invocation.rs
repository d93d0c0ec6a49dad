//! How this command was called, so that a command line it tells works as it is typed.

use std::env;
use std::path::Path;

/// The name of this command.
pub const NAME: &str = "zbz-cache";

/// Set by `cargo run` to the folder of this crate.
pub const CARGO_FOLDER: &str = "CARGO_MANIFEST_DIR";

/// The line that calls this command with these arguments, in the folder it was called in; in the
/// source tree, where cargo called it.
pub fn with(arguments: &str) -> String {
    let program = env::args().next().unwrap_or_default();
    let by_cargo = env::var_os(CARGO_FOLDER).is_some() && env::var_os("CARGO").is_some();
    line(by_cargo, &program, arguments)
}

fn line(by_cargo: bool, program: &str, arguments: &str) -> String {
    if by_cargo {
        let profile = if cfg!(debug_assertions) { "" } else { " --release" };
        return format!("cargo run{profile} -- {arguments}");
    }
    let is_plain = |letter: char| letter.is_alphanumeric() || "/\\._-+~:".contains(letter);
    match program {
        "" => format!("{NAME} {arguments}"),
        _ if program.chars().all(is_plain) => format!("{program} {arguments}"),
        _ => format!("\"{}\" {arguments}", Path::new(program).display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_calls_what_was_called() {
        let cargo = line(true, "target/debug/zbz-cache", "--help");
        assert!(cargo.starts_with("cargo run") && cargo.ends_with(" -- --help"), "{cargo}");
        assert_eq!(line(false, "zbz-cache", "--help"), "zbz-cache --help");
        assert_eq!(line(false, "./target/release/zbz-cache", "--help"), "./target/release/zbz-cache --help");
        assert_eq!(line(false, "/my tools/zbz-cache", "bench"), "\"/my tools/zbz-cache\" bench");
        assert_eq!(line(false, "", "--help"), "zbz-cache --help");
    }
}
