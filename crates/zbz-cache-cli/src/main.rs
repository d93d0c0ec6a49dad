//! The zbz-cache command.
fn main() {}
