//! Texts that are easily taken for something else.

use super::*;

/// The doubts when nothing is said of a text.
fn doubts_of(text: &str) -> String {
    plan_of(text.as_bytes(), &ReadAs::default()).unwrap().doubts.join("; ")
}

#[test]
fn a_time_or_a_size_is_not_taken_for_a_count_of_requests() {
    for line in
        ["/a.png,GET,5120,1584000000,17", "k,GET,12,1000001,40", "k,SET,12,3,0", "a,GET,1,1584000000000,9,60"]
    {
        assert!(refused(&format!("{line}\n")).contains("--key-column N"), "{line}");
    }
    assert!(taken("k,GET,12,1000000,1\n").0.contains("columns key op size count"));
}

#[test]
fn a_column_that_tells_whose_keys_they_are_is_told() {
    let alibaba = "0,R,126703661056,4096,1577808000000046\n1,W,126703661056,4096,1577808000000100\n";
    assert!(
        doubts_of(alibaba).contains("column 1 varies and is no part of the key"),
        "{}",
        doubts_of(alibaba)
    );
    assert!(!doubts_of(&alibaba.replace("\n1,", "\n0,")).contains("varies"));
    for (host, disk, column) in [("hm", "1", "column 3 "), ("web", "0", "column 2 ")] {
        let msr = format!(
            "128166372003061629,hm,0,Read,383,32768,13\n128166372016382155,{host},{disk},Write,383,4096,12\n"
        );
        assert!(doubts_of(&msr).contains(&format!("{column}varies")), "{}", doubts_of(&msr));
    }
}

#[test]
fn words_of_a_key_are_no_header() {
    for text in [
        "key lime\nblue sky\nkey west\n",
        "key lime\nblue sky at night\nkey west\n",
        "time machine\nid card\nlost key\n",
        "# the key matters\nblue sky high\nred sky low\n",
        "key|a\nb\nc|d|e\n",
        "key, lime\nblue sky\nking\n",
        "id;x\na;b\nc;d\n",
    ] {
        let (words, doubts) = taken(text);
        assert!(words.starts_with("one key a line") && doubts == 1, "{text:?}: {words}");
    }
    for (text, column) in [
        ("key bytes_sent\na 5\nb 6\n", "column key"),
        ("time key\n1 a\n", "columns time key"),
        ("key,x\na,b\nc,d\n", "column key"),
        ("time,key\n1,a,\n2,b,\n", "columns time key"),
    ] {
        assert!(taken(text).0.contains(column), "{text:?}: {}", taken(text).0);
    }
    let said = ReadAs { delimiter: Some(Delimiter::Blanks), ..ReadAs::default() };
    assert!(plan_of(b"key lime\nblue sky\n", &said).unwrap().has_header);
}

#[test]
fn long_fields_over_many_lines_are_read_though_the_sample_ends_in_one() {
    let line = "so it goes, on and on\n".repeat(20);
    let lines = "x\n".repeat(60);
    for body in [&line, &lines] {
        let row = |number: usize| format!("{number},k{},\"{body}\"\n", number % 7);
        let text = format!("time,key,body\n{}", (0..600).map(row).collect::<String>());
        assert!(text.len() > 64 * 1024);
        let plan = plan_of(text.as_bytes(), &ReadAs::default()).unwrap();
        assert_eq!(plan.dialect.quote, Some(b'"'));
        assert!(plan.words.contains("columns time key") && plan.doubts.is_empty(), "{}", plan.words);
    }
    // A quote that is never closed is a part of its field in a long text, too.
    let inches = format!("key,size\n{}\"c,7\n{}", "a,5\n".repeat(100), "b,6\n".repeat(30_000));
    let plan = plan_of(inches.as_bytes(), &ReadAs::default()).unwrap();
    assert_eq!((plan.dialect.quote, plan.doubts.len()), (None, 1));
}

#[test]
fn what_is_true_of_twitters_traces_may_be_said_of_them() {
    let text = b"0,a,1,1,1,get,0\n1,b,1,1,1,get,0\n";
    for read_as in [
        ReadAs { delimiter: Some(Delimiter::Byte(b',')), ..ReadAs::default() },
        ReadAs { has_header: Some(false), ..ReadAs::default() },
        ReadAs { has_header: Some(false), delimiter: Some(Delimiter::Byte(b',')), ..ReadAs::default() },
    ] {
        assert_eq!(plan_of(text, &read_as).unwrap().format, Format::Twitter);
    }
    let csv = ReadAs { format: Some(Format::Csv), ..ReadAs::default() };
    assert!(plan_of(text, &csv).unwrap_err().contains("--key-column N"));
    assert_eq!(taken("0,a,b,3,0,3,get,0\n").0, "Twitter's cache-trace, separated by commas");
}

#[test]
fn ttls_without_times_and_units_without_columns_are_told() {
    let cachelib = "key,op,size,op_count,key_size,ttl\na,GET,5,1,40,60\n";
    assert!(doubts_of(cachelib).contains("nothing expires"), "{}", doubts_of(cachelib));
    assert!(!taken(cachelib).0.contains("TTLs in"));
    assert!(doubts_of("a,GET,5,1,40,60\n").contains("nothing expires"));
    let (words, doubts) = taken("clock_time,obj_id,obj_size,next_access_vtime\n5,7,100,3\n");
    assert!(
        words.contains("columns clock_time (time) obj_id (key) obj_size (size)") && doubts == 0,
        "{words}"
    );
    assert!(taken("real_time,key\n5,7\n").0.contains("real_time (time)"));
    let said = ReadAs { time_unit: Some(TimeUnit::Ms), ttl_unit: Some(TimeUnit::S), ..ReadAs::default() };
    let doubts = plan_of(b"when,key\n5,a\n", &said).unwrap().doubts;
    assert!(
        doubts[0].starts_with("--time-unit is not used") && doubts[1].starts_with("--ttl-unit"),
        "{doubts:?}"
    );
    let none = Columns { time: Some(Column::None), ..Columns::default() };
    let untimed = ReadAs { columns: none, ..ReadAs::default() };
    assert!(plan_of(b"time,key,ttl\n5,a,6\n", &untimed).unwrap().doubts.is_empty());
}

#[test]
fn operations_by_another_name_are_told() {
    let msr = "Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n1,hm,1,Read,5,6,7\n2,hm,1,Write,5,6,7\n";
    let by_offset =
        ReadAs { columns: Columns { key: named("Offset"), ..Columns::default() }, ..ReadAs::default() };
    let doubts = plan_of(msr.as_bytes(), &by_offset).unwrap().doubts;
    assert!(doubts.iter().any(|doubt| doubt.contains("--op-column \"Type\"")), "{doubts:?}");
    assert!(doubts_of("time,key,method\n1,a,GET\n2,a,PUT\n").contains("--op-column \"method\""));
    assert!(doubts_of("key,verb,size\na,get,1\na,set,2\n").contains("--op-column \"verb\""));
    assert_eq!(doubts_of("time,key,who\n1,a,GET\n2,a,ann\n"), "");
    let gets =
        ReadAs { columns: Columns { op: Some(Column::None), ..Columns::default() }, ..ReadAs::default() };
    assert!(plan_of(b"key,method\na,GET\n", &gets).unwrap().doubts.is_empty());
}

#[test]
fn numbers_that_are_not_known_leave_a_header_a_header() {
    for text in
        ["url,bytes\n/a,10\n/b,-\n", "path,bytes\n/a,\n/b,10\n", "url,bytes\n/a,NaN\n/b,1\nurl,bytes\n/c,2\n"]
    {
        assert!(refused(text).contains("the header names"), "{text:?}");
        let first =
            ReadAs { columns: Columns { key: named("1"), ..Columns::default() }, ..ReadAs::default() };
        let plan = plan_of(text.as_bytes(), &first).unwrap();
        assert!(plan.has_header && plan.doubts.is_empty(), "{text:?}: {:?}", plan.doubts);
        assert_eq!(plan.layout.size, Some(1), "{text:?}");
    }
    assert!(refused("url,bytes\n/a,10\n").contains("--key-column \"url\""));
    let second = ReadAs { columns: Columns { key: named("2"), ..Columns::default() }, ..ReadAs::default() };
    let doubts = plan_of(b"a,b\nc,d\n", &second).unwrap().doubts;
    assert!(doubts[0].contains("the first line is taken for a request"), "{doubts:?}");
}

#[test]
fn of_two_columns_that_may_be_keys_the_better_is_taken_and_the_other_told() {
    for (names, key) in [("time,id,obj_id,size", 2), ("time,key,id,size", 1), ("id,time,size,item_id", 3)] {
        let text = format!("{names}\n1,2,3,4\n");
        let plan = plan_of(text.as_bytes(), &ReadAs::default()).unwrap();
        assert_eq!((plan.layout.key, plan.doubts.len()), (key, 1), "{names}: {:?}", plan.doubts);
        assert!(plan.doubts[0].contains("--key-column \"id\""), "{:?}", plan.doubts);
    }
    assert_eq!(taken("time,id\n1,a\n").1, 0);
}

#[test]
fn braces_begin_keys_where_no_name_follows() {
    for text in ["{user:1}:cart\n", "{a}\n{b}\n", "{ x }:y\n"] {
        assert!(taken(text).0.starts_with("one key a line"), "{text:?}");
    }
    for text in ["{\"key\":1}\n", "{ \"key\": 1 }\n", "{\n  \"key\": 1\n}\n", "{}\n"] {
        assert!(refused(text).contains("JSON"), "{text:?}");
    }
}

#[test]
fn keys_that_begin_with_a_hash_are_kept_or_told() {
    for text in ["#/home\n#/cart\n/about\n", "#!/x\n#/y\n", "#a\n#b\nc\n"] {
        let (words, doubts) = taken(text);
        assert_eq!((&*words, doubts), ("one key a line", 1), "{text:?}");
    }
    for text in ["#a\nb\nc\nd\n", "#/home\n/a\n/b\n/a\n"] {
        let (words, doubts) = taken(text);
        assert!(words.ends_with("passed over") && doubts == 1, "{text:?}: {words}");
    }
    for text in ["# note\n#\n#-----\n## more\na\nb\n", "#time,key\n1,a\n"] {
        assert_eq!(taken(text).1, 0, "{text:?}");
    }
}
