//! Results as Markdown: ratios first, honest where a rival wins.

use crate::contestant::Card;
use crate::data::KEY_BYTES;
use crate::results::{Results, Work};
use format::{count, table};

mod format;
mod hit_tables;
mod memory_table;
mod speed_tables;
mod standing;

/// The whole report.
pub fn markdown(results: &Results, cards: &[&'static Card]) -> String {
    let mut parts = vec![opening(results)];
    if !results.speed.is_empty() {
        parts.push(standing::section(results, cards));
        for work in Work::SPEED {
            parts.extend(speed_tables::section(results, cards, work));
        }
    }
    parts.extend(memory_table::section(results, cards));
    parts.extend(hit_tables::equal_entries(results, cards));
    parts.extend(hit_tables::equal_memory(results, cards));
    parts.push(contestants(results, cards));
    parts.extend(left_out(results));
    parts.join("\n\n") + "\n"
}

/// The command line with nothing in it that is true of one machine only.
pub fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cargo run --release --manifest-path compare/Cargo.toml --".to_string()];
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        if argument == "--traces" {
            // An empty name stands for no folder.
            if arguments.next().is_some_and(|folder| !folder.is_empty()) {
                words.push("--traces DIR".to_string());
            }
        } else if argument.starts_with("--traces=") {
            words.push("--traces DIR".to_string());
        } else {
            words.push(without_folder(&argument));
        }
    }
    words.join(" ").trim_end_matches(" --").to_string()
}

/// The last component of an absolute path, as it stands or behind an equals sign.
fn without_folder(argument: &str) -> String {
    let (option, value) = match argument.split_once('=') {
        Some((option, value)) => (format!("{option}="), value),
        None => (String::new(), argument),
    };
    let shown = if value.starts_with('/') { value.rsplit('/').next().unwrap_or(value) } else { value };
    format!("{option}{shown}")
}

fn opening(results: &Results) -> String {
    let settings = &results.settings;
    let machine = &results.machine;
    let quick = if settings.quick { "**A quick look: too short to be quoted.**\n\n" } else { "" };
    format!(
        "# Comparison\n\n\
         {quick}\
         Rival crates and this project on the same work, in one run of one process. Written by\n\n\
         ```text\n{command}\n```\n\n\
         Machine: {processor}, {cores} cores, last-level cache {cache}, {memory} GiB, {system}. The allocator is the \
         system's for everyone.\n\n\
         Every contestant got the same {KEY_BYTES}-byte keys and {value}-byte values in the same order. Values carry \
         their key and a seal: every answer was checked, and a wrong one ends the run. In each of {rounds} rounds every \
         contestant ran once in turn, {slice} ms a lap after a warm-up; figures are medians over the rounds. But \
         for one kind of lap no entry has a TTL. Contestants hand out different things (a reference, a counted handle, a copy): the check reads \
         both ends of the value in every case.",
        command = settings.command,
        processor = machine.processor,
        cores = machine.cores,
        cache = machine.cache,
        memory = machine.memory_gib,
        system = machine.system,
        value = settings.value_bytes,
        rounds = settings.rounds,
        slice = settings.slice_ms,
    )
}

fn contestants(results: &Results, cards: &[&'static Card]) -> String {
    let rows = cards.iter().map(|card| {
        let version = results.entrants.iter().find(|entrant| entrant.name == card.name);
        vec![
            card.name.to_string(),
            version.map(|entrant| entrant.version.clone()).unwrap_or_default(),
            if card.races { "all" } else { "memory, hit ratios" }.to_string(),
            card.stores.to_string(),
            card.hands_out.to_string(),
            card.batch.unwrap_or("a loop").to_string(),
        ]
    });
    let head =
        ["contestant", "version", "takes part in", "stores (key, value)", "a get hands out", "batch get"];
    let setups: Vec<String> = cards.iter().map(|card| format!("- {}: {}", card.name, card.setup)).collect();
    format!(
        "## How each was set up\n\n\
         Each as its own documentation opens. Where a get clones the value, values are `Arc<[u8]>`, as those crates \
         advise. In the timed laps caches limited in entries were given twice the keys, caches limited in bytes room \
         for twice the keys; at full, room for the keys. Contestants without a batch verb loop.\n\n{}\n\n{}",
        table(&head, rows.collect(), 0),
        setups.join("\n")
    )
}

fn left_out(results: &Results) -> Option<String> {
    if results.left_out.is_empty() {
        return None;
    }
    let lines: Vec<String> = results.left_out.iter().map(|line| format!("- {line}")).collect();
    Some(format!("## Left out\n\n{}", lines.join("\n")))
}

/// The heading of a column for a number of keys and threads.
fn heat(keys: u32, threads: u32) -> String {
    format!("{}, {threads} thr", count(u64::from(keys)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(arguments: &[&str]) -> String {
        command_line(arguments.iter().map(ToString::to_string))
    }

    #[test]
    fn a_command_line_shows_no_folder_of_this_machine() {
        let line =
            shown(&["--traces", "/home/me/traces", "--json=/home/me/out.json", "--markdown", "docs/c.md"]);
        assert!(line.ends_with("-- --traces DIR --json=out.json --markdown docs/c.md"), "{line}");
    }

    #[test]
    fn a_bare_command_line_has_no_dangling_dashes() {
        assert!(shown(&[]).ends_with("Cargo.toml"));
        assert!(shown(&["--traces", ""]).ends_with("Cargo.toml"));
    }
}
