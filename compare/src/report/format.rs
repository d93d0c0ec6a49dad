//! Cells and tables.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// A Markdown table; the columns from `first_right` on are aligned to the right, none if it is 0.
pub fn table<Cell: Into<String> + Clone>(
    head: &[Cell],
    rows: Vec<Vec<String>>,
    first_right: usize,
) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().cloned().map(Into::into).collect::<Vec<String>>());
    table.add_rows(rows);
    if first_right > 0 {
        for column in table.column_iter_mut().skip(first_right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    with_alignment(&table.to_string(), head.len(), first_right)
}

/// Marks the right-aligned columns in the line under the heading, where Markdown looks for it.
fn with_alignment(text: &str, columns: usize, first_right: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    if first_right == 0 || first_right >= columns || lines.len() < 2 {
        return lines.join("\n");
    }
    let cells: Vec<&str> = lines[1].trim_matches('|').split('|').collect();
    let marked: Vec<String> = cells
        .iter()
        .enumerate()
        .map(|(column, dashes)| match dashes.strip_suffix('-') {
            Some(shorter) if column >= first_right => format!("{shorter}:"),
            _ => (*dashes).to_string(),
        })
        .collect();
    lines[1] = format!("|{}|", marked.join("|"));
    lines.join("\n")
}

/// A number of keys: `1 k`, `4 M`.
pub fn count(number: u64) -> String {
    if number >= 1_000_000 && number.is_multiple_of(100_000) {
        return format!("{} M", number as f64 / 1e6);
    }
    if number >= 1_000 && number.is_multiple_of(100) {
        return format!("{} k", number as f64 / 1e3);
    }
    number.to_string()
}

/// Million operations a second, to three digits.
pub fn millions(rate: f64) -> String {
    let millions = rate / 1e6;
    if millions >= 100.0 {
        format!("{millions:.0}")
    } else if millions >= 10.0 {
        format!("{millions:.1}")
    } else {
        format!("{millions:.2}")
    }
}

/// A ratio, bold when it is above 1.
pub fn ratio(value: f64) -> String {
    let text = format!("{value:.2}x");
    // Judged by what is shown: 1.00x is a tie.
    if (100.0 * value).round() > 100.0 { format!("**{text}**") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_in_thousands_and_millions() {
        let shown: Vec<String> = [500, 1_000, 100_000, 4_000_000, 1_234].map(count).into();
        assert_eq!(shown, ["500", "1 k", "100 k", "4 M", "1234"]);
    }

    #[test]
    fn rates_have_three_digits() {
        let shown: Vec<String> = [1.234e6, 12.34e6, 123.4e6, 0.5e6].map(millions).into();
        assert_eq!(shown, ["1.23", "12.3", "123", "0.50"]);
    }

    #[test]
    fn only_a_ratio_shown_above_one_is_bold() {
        assert_eq!(ratio(1.25), "**1.25x**");
        assert_eq!(ratio(1.004), "1.00x");
        assert_eq!(ratio(0.4), "0.40x");
    }

    #[test]
    fn a_table_is_markdown_with_its_alignment() {
        let text =
            table(&["who", "rate"], vec![vec!["a".into(), "1".into()], vec!["bb".into(), "22".into()]], 1);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("|--") && lines[1].ends_with("-:|"), "{}", lines[1]);
        assert!(lines.iter().all(|line| line.matches('|').count() == 3), "{text}");
    }
}
