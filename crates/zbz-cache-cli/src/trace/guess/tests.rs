use super::super::options::Column;
use super::super::{Columns, MAX_KEY_BYTES, Record, Step, TimeUnit};
use super::*;

mod misread;

fn plan_of(text: &[u8], read_as: &ReadAs) -> Result<Plan, String> {
    plan(&mut Source::of(text), read_as).map_err(|error| error.to_string())
}

/// The guess about a text without options, and the number of doubts.
fn taken(text: &str) -> (String, usize) {
    let plan = plan_of(text.as_bytes(), &ReadAs::default()).unwrap();
    (plan.words, plan.doubts.len())
}

fn refused(text: &str) -> String {
    plan_of(text.as_bytes(), &ReadAs::default()).unwrap_err()
}

fn named(name: &str) -> Option<Column> {
    Some(Column::Named(name.to_owned()))
}

#[test]
fn delimiters_are_found_by_the_names_they_separate() {
    for (delimiter, words) in
        [(",", "commas"), ("\t", "tabs"), (" ", "spaces"), (";", "semicolons"), ("|", "bars")]
    {
        let text = "time,key,size\n1,a,5\n2,b,6\n".replace(',', delimiter);
        let expected = format!("CSV, separated by {words}, columns time key size, times in seconds");
        assert_eq!(taken(&text), (expected, 0));
    }
    let (words, _) = taken("time, \"anonymized key\", size\n1, a, 5\n");
    assert_eq!(words, "CSV, separated by commas, columns time anonymized key (key) size, times in seconds");
    let (words, _) = taken("  time   KEY\n   1   a\n  10   b\n");
    assert_eq!(words, "CSV, separated by spaces, columns time key, times in seconds");
}

#[test]
fn published_traces_are_known_by_their_headers() {
    let cachelib = "op_time,key,key_size,op,op_count,size,cache_hits,ttl,usecase,sub_usecase\n\
                    604038471,82131353f9ddc8c6,48,GET,1,87,1,0,366387042,3003229276\n";
    assert_eq!(
        taken(cachelib),
        (
            "CSV, separated by commas, columns op_time (time) key op op_count (count) size ttl, \
             times and TTLs in seconds"
                .into(),
            0
        )
    );
    assert_eq!(
        taken("key,op,size,op_count,key_size\n1668757755,SET,82,1,40\n1668757755,GET,0,1,40\n"),
        ("CSV, separated by commas, columns key op size op_count (count)".into(), 0)
    );
    let cdn = "timestamp,cacheKey,OpType,objectSize,responseSize,responseHeaderSize,rangeStart,rangeEnd,TTL,SamplingRate\n\
               1678836964000,3486,1,2010,2010,40,-1,-1,86400,1\n";
    let (words, doubts) = taken(cdn);
    assert_eq!(
        words,
        "CSV, separated by commas, columns timestamp (time) cacheKey (key) objectSize (size) ttl, \
         times in milliseconds, TTLs in seconds"
    );
    // Its operations are numbers, and its TTLs may be in any unit.
    assert_eq!(doubts, 2);
    let block = "op_time block_id block_id_size io_offset io_size op_name op_count\n\
                 1.5 917 8 0 4096 getChunkData.Permanent 2\n";
    assert_eq!(
        taken(block).0,
        "CSV, separated by spaces, columns op_time (time) block_id (key) io_size (size) op_name (op) \
         op_count (count), times in seconds"
    );
}

#[test]
fn published_traces_are_known_by_their_columns() {
    assert_eq!(
        taken("0,nz:u:eeW,46,101,3,get,0\n"),
        ("Twitter's cache-trace, separated by commas".into(), 0)
    );
    assert_eq!(taken("0;n;46;101;3;gets;0\n").0, "Twitter's cache-trace, separated by semicolons");
    let msr = "128166372003061629,hm,1,Read,383496192,32768,1331\n128166372016382155,hm,1,Write,38,4096,12\n";
    let (words, doubts) = taken(msr);
    assert!(words.contains("columns time op key size (number 1 4 5 6 of 7), no header"), "{words}");
    assert!(words.ends_with("times in ticks of 100 nanoseconds") && doubts == 2, "{words}");
    let (words, _) = taken("3,W,40960,4096,1577808000000007\n3,R,0,512,1577808000000009\n");
    assert!(words.contains("columns op key size time (number 2 3 4 5 of 5)"), "{words}");
    let (words, doubts) = taken("k1,GET,0,3,40\nk2,SET,17,1,40\n");
    assert_eq!(
        (&*words, doubts),
        ("CSV, separated by commas, columns key op size count (number 1 2 3 4 of 5), no header", 1)
    );
}

#[test]
fn columns_without_names_are_told_by_what_is_in_them_and_never_without_a_doubt() {
    for (text, columns) in [
        ("1 a 5\n2 b 6\n", "time key size (number 1 2 3 of 3)"),
        ("1 77 5\n2 12 6\n", "time key size (number 1 2 3 of 3)"),
        ("a 5\nb 6\na 5\n", "key size (number 1 2 of 2)"),
        ("GET /a\nGET /b\n", "op key (number 1 2 of 2)"),
        ("1.5,get,a\n1.7,set,b\n", "time op key (number 1 2 3 of 3)"),
    ] {
        let (words, doubts) = taken(text);
        assert!(words.contains(&format!("columns {columns}, no header")) && doubts == 1, "{text:?}: {words}");
    }
    for text in
        ["a,b\nc,d\n", "a\tb\nc\td\n", "5,9,1,0\n4,9,1,0\n", "5 9 1 0\n4 9 1 1\n", "5|9|1|0\n4|9|1|1\n"]
    {
        assert!(refused(text).contains("--key-column N"), "{text:?}");
    }
    assert!(
        refused("url,x\n/a,1\n/b,2\n").contains("the header names \"url\", \"x\": name it with --key-column")
    );
    assert!(refused("{\"key\": 1}\n{\"key\": 2}\n").contains("JSON"));
}

#[test]
fn a_wrong_line_in_the_sample_does_not_make_keys_of_the_others() {
    let twitter = "0,a,1,1,1,get,0\n0,a,1,1,get,0\n";
    assert_eq!(taken(twitter).0, "Twitter's cache-trace, separated by commas");
    let (words, _) = taken("1 a 5\n2 b 5\n3 c\n4 d 5\n");
    assert!(words.starts_with("CSV, separated by spaces, columns time key size"), "{words}");
    assert!(refused("a,b\nc,d\ne\nf,g\n").contains("--key-column N"));
    let (words, _) = taken("time\tkey\n1\ta\n2\n");
    assert!(words.starts_with("CSV, separated by tabs"), "{words}");
}

#[test]
fn a_header_may_stand_in_a_comment() {
    let (words, doubts) = taken("# made by hand\n# time key size\n1 a 5\n");
    let expected = "CSV, separated by spaces, columns time key size, header in a comment, times in seconds, \
                    lines that begin with # passed over";
    assert_eq!((&*words, doubts), (expected, 0));
    let (words, _) = taken("#object\tsize\na\t5\n");
    assert!(
        words.starts_with("CSV, separated by tabs, columns object (key) size, header in a comment"),
        "{words}"
    );
}

#[test]
fn keys_are_keys_whatever_is_in_them_and_a_delimiter_in_one_is_told() {
    for text in
        ["v2/47cbd874/manifests\nv2\n", "user:1\nuser:2\n", "12\n7\n12\n", "a-b\na-b\n", "key-1\nid_2\n"]
    {
        assert_eq!(taken(text), ("one key a line".into(), 0), "{text:?}");
    }
    for text in ["a b\nc\n", "one two\nthree four\n", "a,b\nc\nd,e,f\n", "x|1|y\nz\n", "a;b\nc;d\n"] {
        assert_eq!(taken(text), ("one key a line".into(), 1), "{text:?}");
    }
}

#[test]
fn hashes_that_begin_most_lines_begin_keys() {
    let (words, doubts) = taken("#cats\n#dogs\n#cats\n");
    assert_eq!((&*words, doubts), ("one key a line", 1));
    let (words, doubts) = taken("cats\n#dogs\nowls\nants\n");
    assert_eq!((&*words, doubts), ("one key a line, lines that begin with # passed over", 1));
    // A mark that comes after the sample is none.
    let late = "a\n".repeat(40_000) + "#b\n";
    assert_eq!(plan_of(late.as_bytes(), &ReadAs::default()).unwrap().dialect.comment, None);
    let plan = plan_of(b"%x\na\n", &ReadAs { comment: Some(Mark::Byte(b'%')), ..ReadAs::default() }).unwrap();
    assert_eq!(plan.words, "one key a line, lines that begin with % passed over");
}

#[test]
fn times_tell_their_unit_by_their_size() {
    for (time, unit, doubts) in [
        ("1584000000", "seconds", 0),
        ("1584000000.25", "seconds", 0),
        ("0", "seconds", 0),
        ("1584000000000", "milliseconds", 0),
        ("1584000000000000", "microseconds", 0),
        ("1584000000000000000", "nanoseconds", 0),
        ("584000000000000000", "nanoseconds", 1),
        ("128166372003061629", "ticks of 100 nanoseconds", 1),
        ("20240131120000", "milliseconds", 1),
        ("1.584e18", "nanoseconds", 0),
    ] {
        let (words, doubtful) = taken(&format!("time,key\n{time},a\n{time},b\n"));
        assert_eq!(
            (&*words, doubtful),
            (&*format!("CSV, separated by commas, columns time key, times in {unit}"), doubts)
        );
    }
    let said = ReadAs { time_unit: Some(TimeUnit::Ms), ..ReadAs::default() };
    let plan = plan_of(b"time,key,ttl\n1584000000000000000,a,5\n", &said).unwrap();
    assert!(
        plan.words.ends_with("times and TTLs in milliseconds") && plan.doubts.len() == 1,
        "{}",
        plan.words
    );
    let whole_seconds = b"time,key,ttl\n1584000000000,a,60000\n";
    assert!(plan_of(whole_seconds, &said).unwrap().doubts.is_empty());
    let seconds = ReadAs { ttl_unit: Some(TimeUnit::S), ..said };
    assert!(plan_of(b"time,key,ttl\n1584000000000,a,86400\n", &seconds).unwrap().doubts.is_empty());
    let (words, doubts) = taken("time,key,ttl\n1584000000000,a,60000\n");
    assert!(words.ends_with("times and TTLs in milliseconds") && doubts == 1, "{words}");
}

#[test]
fn what_the_user_says_is_not_guessed() {
    let ask = |text: &str, read_as: ReadAs| plan_of(text.as_bytes(), &read_as).map(|plan| plan.words);
    let columns = |key: &str| Columns { key: named(key), ..Columns::default() };
    let by_number = ReadAs {
        has_header: Some(false),
        columns: Columns { time: named("1"), ..columns("3") },
        ..ReadAs::default()
    };
    assert_eq!(
        ask("id key x\n1 2 3\n", by_number).unwrap(),
        "CSV, separated by spaces, columns time key (number 1 3 of 3), no header, times in seconds"
    );
    let colons =
        ReadAs { delimiter: Some(Delimiter::Byte(b':')), columns: columns("2"), ..ReadAs::default() };
    assert_eq!(
        ask("a:b\nc:d\n", colons).unwrap(),
        "CSV, separated by \":\", column key (number 2 of 2), no header"
    );
    let header = ReadAs { has_header: Some(true), columns: columns("2"), ..ReadAs::default() };
    assert_eq!(ask("x,y\na,b\n", header).unwrap(), "CSV, separated by commas, column y (key)");
    let without = Columns { op: Some(Column::None), size: Some(Column::None), ..Columns::default() };
    let read_as = ReadAs { columns: without, ..ReadAs::default() };
    assert_eq!(ask("key,op,size\na,flush,1\n", read_as).unwrap(), "CSV, separated by commas, column key");
    let lines = ReadAs { format: Some(Format::Lines), ..ReadAs::default() };
    assert_eq!(ask("time,key\n1,a\n", lines).unwrap(), "one key a line");
    let beyond = ReadAs { columns: columns("3"), ..ReadAs::default() };
    assert!(ask("a,b\nc,d\n", beyond).unwrap_err().contains("there is no column \"3\""));
    let none =
        ReadAs { columns: Columns { key: Some(Column::None), ..Columns::default() }, ..ReadAs::default() };
    assert!(ask("key,op\na,get\n", none).is_err());
}

#[test]
fn a_quote_that_is_never_closed_is_a_part_of_its_field() {
    let plan = plan_of(b"key,size\n\"a,1\n\"b,2\nc,3\n", &ReadAs::default()).unwrap();
    assert_eq!((plan.dialect.quote, plan.doubts.len()), (None, 1));
    let said = ReadAs { quote: Some(Mark::Byte(b'"')), ..ReadAs::default() };
    assert_eq!(plan_of(b"key,size\n\"a,1\nb,2\n", &said).unwrap().dialect.quote, Some(b'"'));
}

#[test]
fn an_op_column_without_operations_and_a_column_of_counts_are_told() {
    let (words, doubts) = taken("key,op\na,7\nb,8\n");
    assert_eq!((&*words, doubts), ("CSV, separated by commas, column key", 1));
    let plan = plan_of(b"key,count\na,7\n", &ReadAs::default()).unwrap();
    assert!(plan.doubts[0].contains("--count-column"), "{:?}", plan.doubts);
}

#[test]
fn whatever_a_text_holds_it_is_read_or_refused() {
    const LETTERS: &[u8] = b"aab1127.-,,;| \t\"\"#\r\n\n\nkeytimgs_";
    let options = [
        ReadAs::default(),
        ReadAs { format: Some(Format::Csv), ..ReadAs::default() },
        ReadAs { format: Some(Format::Twitter), ..ReadAs::default() },
        ReadAs { delimiter: Some(Delimiter::Blanks), has_header: Some(true), ..ReadAs::default() },
        ReadAs { columns: Columns { key: named("2"), ..Columns::default() }, ..ReadAs::default() },
        ReadAs { quote: Some(Mark::Byte(b'\'')), has_header: Some(false), ..ReadAs::default() },
    ];
    let mut dice = crate::dice::Dice::of(12);
    let mut read = 0;
    for round in 0..4000 {
        let length = 1 + dice.below(120);
        let head = ["", "key,size\n", "time key\n", "1 a 5\n2 b 6\n"][round % 4].bytes();
        let text: Vec<u8> =
            head.chain((0..length).map(|_| LETTERS[dice.below(LETTERS.len() as u64) as usize])).collect();
        for read_as in &options {
            let mut source = Source::of(&text);
            let Ok(plan) = plan(&mut source, read_as) else { continue };
            let mut records = plan.reader(source);
            let mut record = Record::default();
            while let Ok(Step::Record) = records.read(&mut record) {
                assert!((1..=MAX_KEY_BYTES).contains(&record.key.len()), "{text:?}");
                read += 1;
            }
        }
    }
    assert!(read > 10_000, "{read}");
}
