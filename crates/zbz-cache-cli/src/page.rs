//! How results are laid out: headings, and lines of a name and a text.

use std::io::{self, Write};

/// Columns that the name of a line takes.
const NAME_WIDTH: usize = 14;

/// A heading, after an empty line.
pub fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    writeln!(out, "\n{bold}{text}{bold:#}")
}

/// A name and what there is to say to it; further lines of the text stand below its first one.
pub fn line(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    for (index, part) in text.lines().enumerate() {
        writeln!(out, "  {:<NAME_WIDTH$} {part}", if index == 0 { name } else { "" })?;
    }
    Ok(())
}
