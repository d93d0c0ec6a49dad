//! [`Yardstick`]: hit ratios that other programs found on the same traces, to compare with.
//!
//! A CSV file: a column `trace` (a file's name up to its first dot), one `size` (as in `--sizes`: `1%`, `10%bytes`), then
//! one for each policy, with hits in percent of the requests. A column `belady` or `Belady` knows the future.

use std::fs;
use std::path::Path;

use zbz_cache_cli::failure::Failure;
use zbz_cache_cli::replay::size::Size;

use crate::policy::Belady;

/// What others found.
#[derive(Debug, Default)]
pub struct Yardstick {
    policies: Vec<String>,
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Cell {
    trace: String,
    /// As results show it.
    size: String,
    percents: Vec<f64>,
}

/// What others found on one trace at one size.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// Hits in percent of the policy that knows the future.
    pub belady: Option<f64>,
    /// Those of every other one, by name.
    pub others: Vec<(&'a str, f64)>,
}

impl Yardstick {
    /// # Errors
    ///
    /// It cannot be read, or a line is not what it should be.
    pub fn read(file: &Path) -> Result<Yardstick, Failure> {
        let name = file.display();
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::Input(format!("{name}: cannot be read: {error}")))?;
        Yardstick::parse(&text)
            .map_err(|(line, problem)| Failure::Input(format!("{name}, line {line}: {problem}")))
    }

    /// On failure the line's number and what is wrong there.
    pub fn parse(text: &str) -> Result<Yardstick, (usize, String)> {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let is_held = |(line, _): &(&str, usize)| !line.trim().is_empty() && !line.starts_with('#');
        let mut lines = text.lines().zip(1..).filter(is_held);
        let (header, number) = lines.next().unwrap_or(("", 1));
        let header: Vec<&str> = header.split(',').map(str::trim).collect();
        let ["trace", "size", policies @ ..] = &header[..] else {
            return Err((number, "expected a header that begins with trace,size".to_owned()));
        };
        let mut yardstick = Yardstick {
            policies: policies.iter().map(|name| (*name).to_owned()).collect(),
            cells: Vec::new(),
        };
        for (line, number) in lines {
            let cell = Cell::parse(line, policies.len()).map_err(|problem| (number, problem))?;
            yardstick.cells.push(cell);
        }
        Ok(yardstick)
    }

    /// What is known of a cell.
    pub fn known(&self, trace: &str, size: &str) -> Known<'_> {
        let cell = self.cells.iter().find(|cell| cell.trace == trace && cell.size == size);
        let Some(cell) = cell else { return Known::default() };
        let all = self.policies.iter().map(String::as_str).zip(cell.percents.iter().copied());
        let is_belady = |name: &str| name.eq_ignore_ascii_case(Belady::NAME);
        Known {
            belady: all.clone().find(|(name, _)| is_belady(name)).map(|(_, percent)| percent),
            others: all.filter(|(name, _)| !is_belady(name)).collect(),
        }
    }
}

impl Cell {
    fn parse(line: &str, policies: usize) -> Result<Cell, String> {
        let mut fields = line.split(',').map(str::trim);
        let (trace, size) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let size: Size = size.parse().map_err(|problem| format!("the size \"{size}\": {problem}"))?;
        let percents: Vec<f64> = fields
            .map(|field| field.parse().map_err(|_| format!("\"{field}\" is no number")))
            .collect::<Result<_, _>>()?;
        if percents.len() != policies {
            return Err(format!("has {} policies; expected {policies} as in the header", percents.len()));
        }
        Ok(Cell { trace: trace.to_owned(), size: size.to_string(), percents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_found_by_trace_and_size() {
        let text = "trace,size,LRU,ARC,Belady\nshop,1%,39.1,41.9,53.4\nshop,10.0%bytes,1,2,3\n";
        let untidy = format!("\u{FEFF}# known\n{}\n\n", text.replace(',', ", ").replace('\n', "\r\n"));
        assert_eq!(Yardstick::parse(&untidy).unwrap().known("shop", "1%").belady, Some(53.4));
        let yardstick = Yardstick::parse(text).unwrap();
        let known = yardstick.known("shop", "1%");
        assert_eq!((known.belady, &known.others[..]), (Some(53.4), &[("LRU", 39.1), ("ARC", 41.9)][..]));
        assert_eq!(yardstick.known("shop", "10%bytes").belady, Some(3.0));
        assert!(yardstick.known("shop", "10%").others.is_empty());
    }

    #[test]
    fn a_wrong_line_is_told_by_number() {
        let told = |text: &str| Yardstick::parse(text).unwrap_err();
        assert_eq!(told("").0, 1);
        assert_eq!(told("trace,size,LRU\na,1%,x\n"), (2, "\"x\" is no number".to_owned()));
        assert_eq!(told("trace,size,LRU\na,1%,1\na,some,1\n").0, 3);
        assert!(told("trace,size,LRU\na,1keys\n").1.contains("has 0 policies; expected 1"));
    }
}
