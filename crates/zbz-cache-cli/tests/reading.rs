//! What `zbz-cache replay` takes a file for: however a trace is written, it comes to the same, or a warning says why not.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

use support::{Folder, Run, oracle_record, refused, run};

/// Enough for hits and evictions.
const REQUESTS: u64 = 150;

/// Requests of the matrix: time, key and size, always the same.
fn requests(key: impl Fn(u64) -> String) -> Vec<[String; 3]> {
    let mut state = 7u64;
    let request = |number: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [one, other] = [state >> 33, state >> 48].map(|bits| bits % 40);
        let number_of_key = one.min(other);
        [number.to_string(), key(number_of_key), (100 + number_of_key).to_string()]
    };
    (0..REQUESTS).map(request).collect()
}

/// How a trace is written.
#[derive(Clone, Copy, Debug)]
struct Style {
    delimiter: &'static str,
    header: bool,
    mark: bool,
    comments: bool,
    end: &'static str,
    ops: bool,
}

impl Style {
    fn all() -> impl Iterator<Item = Style> {
        let both = [false, true];
        [",", "\t", " ", ";", "|"].into_iter().flat_map(move |delimiter| {
            both.into_iter().flat_map(move |header| {
                both.into_iter().flat_map(move |mark| {
                    both.into_iter().flat_map(move |comments| {
                        ["\n", "\r\n"].into_iter().flat_map(move |end| {
                            both.map(|ops| Style { delimiter, header, mark, comments, end, ops })
                        })
                    })
                })
            })
        })
    }

    fn text(self, requests: &[[String; 3]]) -> String {
        let mut text = String::from(if self.mark { "\u{FEFF}" } else { "" });
        let mut line = |fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|field| self.field(field)).collect();
            write!(text, "{}{}", fields.join(self.delimiter), self.end).unwrap();
        };
        if self.comments {
            line(&["# what was asked of a shop"]);
        }
        let width = if self.ops { 4 } else { 3 };
        if self.header {
            line(&["time", "key", "size", "op"][..width]);
        }
        for ([time, key, size], number) in requests.iter().zip(0..) {
            line(&[time, key, size, "GET"][..width]);
            if self.comments && number == 50 {
                line(&["# half of it is still to come"]);
            }
        }
        text
    }

    fn field(self, field: &str) -> String {
        if field.starts_with('#') {
            return field.to_owned();
        }
        if field.contains(self.delimiter) { format!("\"{field}\"") } else { field.to_owned() }
    }
}

/// Hits in percent of the first row of each table, as shown.
fn ratio(run: &Run) -> String {
    let row = run.out.lines().skip_while(|line| !line.starts_with("|--")).nth(1).unwrap_or_default();
    row.split('|').nth(4).unwrap_or_default().trim().to_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// Replays all these files at once; answers the hit ratio of each, and what was said on the standard error.
fn ratios(folder: &Folder, files: &[String]) -> (Vec<f64>, String) {
    let args = ["replay", "--sizes", "1MiB", "--json", "all.json"].map(str::to_owned);
    let done = run(folder, &[&args[..], files].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("all.json")).unwrap()).unwrap();
    let traces = json["traces"].as_array().unwrap().iter();
    (traces.map(|trace| trace["rows"][0]["hit_ratio"].as_f64().unwrap()).collect(), done.err)
}

#[test]
fn a_trace_comes_to_the_same_however_it_is_written() {
    let folder = Folder::new("matrix");
    let requests = requests(|number| format!("user:{number}/cart-{number}"));
    let mut files = Vec::new();
    for (style, number) in Style::all().zip(0..) {
        let text = style.text(&requests).into_bytes();
        let (ending, bytes) = match number % 3 {
            0 => ("", text),
            1 => (".gz", gzip(&text)),
            _ => (".zst", zstd(&text)),
        };
        files.push((style, folder.file(&format!("t{number}{ending}"), bytes)));
    }
    // Each style in one of the compressions.
    let names: Vec<String> = files.iter().map(|(_, name)| name.clone()).collect();
    let (ratios, warnings) = ratios(&folder, &names);
    assert!(ratios[0] > 0.3 && ratios[0] < 0.95, "{}", ratios[0]);
    for ((style, name), ratio) in files.iter().zip(&ratios) {
        assert_eq!(*ratio, ratios[0], "{style:?}");
        let is_warned = warnings.contains(&format!("warning: {name}: there is no header"));
        assert_eq!(is_warned, !style.header, "{style:?}\n{warnings}");
    }
}

#[test]
fn every_compression_and_every_shape_of_keys_comes_to_the_same_or_is_warned_of() {
    let folder = Folder::new("shapes");
    type Shape = (&'static str, fn(u64) -> String);

    let shapes: [Shape; 7] = [
        ("number", |number| (number * 7919 % 1000).to_string()),
        ("hex", |number| format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
        ("uuid", |number| format!("{number:08x}-1111-4222-8333-{number:012x}")),
        ("path", |number| format!("/a/{number}/b-{number}.html")),
        ("colon", |number| format!("shop:{number}:v1")),
        ("space", |number| format!("big shop {number}")),
        ("comma", |number| format!("x,{number}")),
    ];
    for (shape, key) in shapes {
        let requests = requests(key);
        let styles: Vec<Style> = Style::all().filter(|style| !style.mark && style.end == "\n").collect();
        let mut files = Vec::new();
        for (style, number) in styles.iter().zip(0..) {
            let text = style.text(&requests).into_bytes();
            files.push((style, folder.file(&format!("{shape}{number}"), &text)));
            files.push((style, folder.file(&format!("{shape}{number}.gz"), gzip(&text))));
            files.push((style, folder.file(&format!("{shape}{number}.zst"), zstd(&text))));
        }
        let names: Vec<String> = files.iter().map(|(_, name)| name.clone()).collect();
        let (ratios, warnings) = ratios(&folder, &names);
        for ((style, name), ratio) in files.iter().zip(&ratios) {
            assert_eq!(*ratio, ratios[0], "{shape}: {style:?}");
            let is_warned = warnings.contains(&format!("warning: {name}: "));
            assert_eq!(is_warned, !style.header, "{shape}: {style:?}: {warnings}");
        }
        let keys: String = requests.iter().map(|[_, key, _]| format!("{key}\n")).collect();
        let file = folder.file("keys.txt", format!("# keys\n{keys}\n"));
        let (of_keys, said) = self::ratios(&folder, &[file]);
        assert!(of_keys[0] == ratios[0] || said.contains("there is no header"), "{shape}: {said}");
        // Keys with a delimiter in them are ambiguous.
        assert_eq!(said.contains("warning: keys.txt: "), ["space", "comma"].contains(&shape), "{said}");
    }
}

/// CacheLib's lines as they are recorded: each stands for `op_count` requests.
const CACHELIB: &str = "op_time,key,key_size,op,op_count,size,cache_hits,ttl,usecase,sub_usecase\n\
                        604038471,a,48,GET,3,87,1,0,366387042,3003229276\n\
                        604038471,b,24,GET,1,0,0,0,699950563,699950563\n\
                        604038472,a,48,GET_LEASE,5,87,3,0,366387042,2858173043\n\
                        604038473,b,24,SET,2,10,0,60,699950563,699950563\n";

#[test]
fn a_line_of_cachelib_stands_for_as_many_requests_as_it_says() {
    let folder = Folder::new("cachelib");
    let known = folder.file("kv.csv", CACHELIB);
    let headless = folder.file("part.csv", CACHELIB.split_once('\n').unwrap().1);
    for file in [known, headless] {
        let done = run(&folder, &["replay", &file, "--sizes", "1MiB"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        // Of nine gets the first for each key misses.
        assert_eq!(ratio(&done), "77.78 %", "{}", done.out);
        assert!(done.out.contains("11, 9 of them gets"), "{}", done.out);
    }
    let once = run(&folder, &["replay", "kv.csv", "--sizes", "1MiB", "--count-column", "none"]);
    assert_eq!(ratio(&once), "33.33 %", "{}", once.out);
    let old = folder.file("old.csv", "key,op,size,op_count,key_size\n1,GET,9,4,40\n");
    assert_eq!(ratio(&run(&folder, &["replay", &old, "--sizes", "1MiB"])), "75.00 %");
}

#[test]
fn what_was_taken_for_what_is_shown_with_the_figures_and_kept_in_json() {
    let folder = Folder::new("read-as");
    let spaces = folder.file("t", "time key size\n1 a 5\n2 b 5\n3 a 5\n");
    let done = run(&folder, &["replay", &spaces, "--sizes", "1MiB", "--json", "t.json"]);
    let expected = "read as: CSV, separated by spaces, columns time key size, times in seconds";
    assert!(done.out.lines().any(|line| line.trim() == expected), "{}", done.out);
    assert_eq!(done.err, "");
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("t.json")).unwrap()).unwrap();
    assert_eq!(json["traces"][0]["read_as"], expected.trim_start_matches("read as: "));

    let wrong = folder.file("wrong", "time key size\n1 a 5\n2 b five\n");
    let message = refused(&folder, &["replay", &wrong]);
    assert!(message.contains("line 3: the size is \"five\"") && message.contains(expected), "{message}");
}

#[test]
fn a_guess_can_be_said_instead() {
    let folder = Folder::new("overrides");
    let hits = |name: &str, text: &str, args: &[&str]| {
        let file = folder.file(name, text);
        let done = run(&folder, &[&["replay", &file, "--sizes", "1MiB"], args].concat());
        assert_eq!(done.code, Some(0), "{name}: {}", done.err);
        ratio(&done)
    };
    let flushes = "key,op\na,flush\nb,get\na,get\n";
    let file = folder.file("op.csv", flushes);
    assert!(refused(&folder, &["replay", &file]).contains("--op-column none"));
    assert_eq!(hits("op.csv", flushes, &["--op-column", "none"]), "33.33 %");
    let headless = "1 GET /a 5\n2 GET /b 5\n3 GET /a 5\n3 PUT /a 5\n";
    assert_eq!(hits("log", headless, &[]), "33.33 %");
    let by_number = ["--no-header", "--key-column", "3", "--size-column", "4"];
    assert_eq!(hits("log", headless, &by_number), "50.00 %");
    assert_eq!(hits("colons", "1:a\n2:b\n3:a\n", &["--delimiter", ":", "--key-column", "2"]), "33.33 %");
    assert_eq!(hits("tags", "cats\n#dogs\n#dogs\nowls\nants\n", &["--comment", "none"]), "20.00 %");
    assert_eq!(hits("percent", "% two\n% keys\na\na\n", &["--comment", "%"]), "50.00 %");
    assert_eq!(hits("names", "x,y\na,1\na,2\n", &["--header", "--key-column", "X"]), "50.00 %");
    assert_eq!(hits("quotes.csv", "key,size\n'a,b',1\n'a,b',2\n", &["--quote", "'"]), "50.00 %");
    assert_eq!(hits("inches", "key,size\n\"5,1\n\"5,2\n", &["--quote", "none"]), "50.00 %");
    assert_eq!(hits("as-keys", "time,key\n1,a\n1,a\n", &["--format", "LINES"]), "33.33 %");
    // A TTL of 5 of what the times are in.
    let ttls = "time,key,ttl\n0,a,5\n4,a,5\n90,a,5\n";
    assert_eq!(hits("ttl.csv", ttls, &["--time-unit", "MS"]), "33.33 %");
    assert_eq!(hits("ttl.csv", ttls, &["--time-unit", "ms", "--ttl-unit", "s"]), "66.67 %");
    assert_eq!(hits("ttl.csv", ttls, &["--ttl-column", "none"]), "66.67 %");
}

#[test]
fn a_guess_that_may_be_wrong_is_warned_of_once() {
    let folder = Folder::new("doubts");
    let warned = |name: &str, text: &str, expected: &str| {
        let file = folder.file(name, text);
        let done = run(&folder, &["replay", &file, "--sizes", "1MiB,2MiB"]);
        assert_eq!((done.code, done.err.matches(expected).count()), (Some(0), 1), "{name}: {}", done.err);
        assert!(done.err.lines().all(|line| line.starts_with(&format!("warning: {name}: "))), "{}", done.err);
    };
    warned("distinct", "a\nb\nc\n", "no two requests are for the same key");
    warned("spaces", "one a\ntwo b\none a\n", "each whole line is taken for a key");
    warned("headless", "1 a 5\n2 a 5\n", "there is no header");
    warned("ticks", "time,key\n128166372003061629,a\n128166372003061639,a\n", "--time-unit");
    warned("span", "time,key\n0,a\n400000000000,a\n", "--time-unit");
    warned("milli", "time,key\n0,a\n4000000000,a\n", "in seconds its times span");
    warned("op", "key,op\na,7\na,7\n", "holds no operation that is known");
    warned("count", "key,count\na,7\na,7\n", "--count-column");
    warned("ttl", "time,key,ttl\n1584000000000,a,60\n1584000000001,a,60\n", "--ttl-unit");
}

#[test]
fn a_file_that_is_no_trace_is_told_with_what_to_do() {
    let folder = Folder::new("others");
    let utf16: Vec<u8> = "time,key\n1,a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let text = b"a\nb\na\n".repeat(500);
    let (packed, frame) = (gzip(&text), zstd(&text));
    let long = [&[0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xB0][..], &[0x21, 0, 0], b"a\na\n"].concat();
    let cases: [(&str, &[u8], &str); 14] = [
        ("t.xz", b"\xFD7zXZ\0\0\x04", "xz -d"),
        ("t.bz2", b"BZh91AY&SY\x01", "bzip2 -d"),
        ("t.lz4", b"\x04\x22\x4D\x18\x64", "lz4 -d"),
        ("t.zip", b"PK\x03\x04\x14\0", "unzip"),
        ("utf16.csv", &utf16, "iconv"),
        ("page.csv", b"<!DOCTYPE html>\n<html>404</html>\n", "web page"),
        ("t.json", b"{\"key\":\"a\"}\n{\"key\":\"b\"}\n", "JSON"),
        ("pointer.zst", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        ("twice.gz", &gzip(&packed), "compressed twice"),
        ("cut.gz", &packed[..packed.len() - 9], "the gzip data is truncated"),
        ("cut.zst", &frame[..frame.len() - 9], "the zstd data is truncated"),
        ("window.zst", &long, "with zstd --long=31 or less"),
        ("nothing.zst", &zstd(b""), "is empty"),
        ("noise", &[0, 7, 1, 2, 250, 0, 7, 9], "cut short or of another format"),
    ];
    for (name, bytes, expected) in cases {
        let file = folder.file(name, bytes);
        let message = refused(&folder, &["replay", &file]);
        assert!(message.contains(expected) && message.contains(name), "{name}: {message}");
    }
    assert!(refused(&folder, &["replay", "."]).contains(".: is a folder"));
    assert!(refused(&folder, &["replay", "-"]).contains("standard input"));
    assert!(refused(&folder, &["replay", "/dev/null"]).contains("no regular file"));
    let records = [oracle_record(0, 7, 50, 1), oracle_record(9, 7, 50, -1)].concat();
    let file = folder.file("odd.oracleGeneral", [&records[..], b"x"].concat());
    assert!(refused(&folder, &["replay", &file]).contains("ends after 1 of the 24 bytes"));
}

#[test]
fn sound_zstd_and_gzip_files_are_read_however_they_are_made() {
    let folder = Folder::new("compressed");
    // One frame with a window of 2 GiB, as `zstd --long=31` claims it, and a raw block.
    let text = b"a\nb\na\na\n";
    let block = ((text.len() as u32) << 3 | 1).to_le_bytes();
    let long = [&[0x28, 0xB5, 0x2F, 0xFD, 0x00, 21 << 3], &block[..3], text].concat();
    let skippable = [&[0x5A, 0x2A, 0x4D, 0x18, 2, 0, 0, 0][..], b"xy"].concat();
    let cases = [
        ("long.zst", long.clone()),
        ("frames.zst", [&skippable[..], &zstd(b"a\nb\n"), &skippable, &zstd(b"a\na\n"), &skippable].concat()),
        ("members.gz", [gzip(b"a\nb\n"), gzip(b""), gzip(b"a\na\n")].concat()),
        ("odd-name.txt", gzip(text)),
    ];
    for (name, bytes) in cases {
        let file = folder.file(name, bytes);
        let done = run(&folder, &["replay", &file, "--sizes", "1MiB"]);
        assert_eq!((done.code, ratio(&done).as_str()), (Some(0), "50.00 %"), "{name}: {}", done.err);
    }
}

#[test]
fn lines_that_hold_nothing_are_no_keys() {
    let folder = Folder::new("blank");
    for (name, text) in [
        ("last.txt", "a\nb\na\na\n\n"),
        ("more.txt", "a\r\nb\r\na\r\na\r\n\r\n \r\n"),
        ("mac.txt", "a\rb\ra\ra\r\r"),
        ("marked.txt", "\u{FEFF}a\nb\na\na\n# the end\n"),
        ("gaps.csv", "\n# trace\n\ntime,key\n\n1,a\n2,b\n\n3,a\n4,a\n\n"),
        ("commas.csv", "time,key,\n1,a,\n2,b,\n3,a,\n4,a,\n"),
    ] {
        let file = folder.file(name, text);
        let done = run(&folder, &["replay", &file, "--sizes", "1MiB"]);
        assert_eq!(
            (done.code, ratio(&done).as_str(), &*done.err),
            (Some(0), "50.00 %", ""),
            "{name}: {}",
            done.out
        );
    }
}

#[test]
fn numbers_are_read_as_programs_write_them() {
    let folder = Folder::new("numbers");
    let text = "time,key,size,ttl\n1584000000.25,0xAF,1e3,\n1.5840000005e9,0xAF,1000.0,NaN\n1584000001,0xaf,-,60.0\n";
    let file = folder.file("frame.csv", text);
    let done = run(&folder, &["replay", &file, "--sizes", "65_536,1 MB"]);
    assert_eq!((done.code, ratio(&done).as_str(), &*done.err), (Some(0), "33.33 %", ""), "{}", done.out);
    let wrong = folder.file("wrong.csv", "key,size\na,1\na,-1\n");
    assert!(refused(&folder, &["replay", &wrong]).contains("line 3: the size is \"-1\""));
    let nanos = folder.file("ns.csv", "time,key\n1584000000000000000,a\n1584000005000000000,a\n");
    let done = run(&folder, &["replay", &nanos, "--sizes", "1MiB"]);
    assert!(done.out.contains("over 5.0 s") && done.out.contains("times in nanoseconds"), "{}", done.out);
}
