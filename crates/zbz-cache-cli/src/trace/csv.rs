//! CSV: lines of fields, of which one is the key. Where each field is, the plan tells.
//!
//! A line may stand for several requests that are alike; then it is given so often.

use super::fields::{self, TimeUnit, shown};
use super::guess::{Layout, Plan, Units};
use super::rows::{Row, Rows};
use super::source::Source;
use super::{MAX_KEY_BYTES, Op, Record, Records, Step, TraceError};

/// The most requests that one line may stand for: more of them are an error in it, as a time or a size in their place.
pub(super) const MAX_COUNT: u64 = 1_000_000;

pub(super) struct Reader {
    rows: Rows,
    layout: Layout,
    units: Units,
    /// Whether the header is still ahead.
    at_header: bool,
    /// The header, which stands once more where files were put behind each other.
    header: Option<Row>,
    /// Lines that stand for requests, read so far.
    lines: u64,
    /// How often the current row is to be given once more.
    again: u64,
}

impl Reader {
    pub(super) fn new(source: Source, plan: &Plan) -> Self {
        Reader {
            rows: Rows::new(source, plan.dialect),
            layout: plan.layout,
            units: plan.units,
            at_header: plan.has_header,
            header: None,
            lines: 0,
            again: 0,
        }
    }

    /// Makes the next row that stands for a request the current one; false at the end.
    fn next_row(&mut self) -> Result<bool, TraceError> {
        if std::mem::take(&mut self.at_header) && self.rows.read()? {
            self.header = Some(self.rows.row().clone());
        }
        while self.rows.read()? {
            let row = self.rows.row();
            if self.header.as_ref().is_some_and(|header| header.is_same(row)) {
                continue;
            }
            let count = count_of(row, &self.layout).map_err(|problem| self.rows.error(problem))?;
            if count > 0 {
                self.again = count - 1;
                self.lines += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Records for Reader {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        if self.again > 0 {
            self.again -= 1;
        } else if !self.next_row()? {
            return Ok(Step::End);
        }
        parse(self.rows.row(), &self.layout, self.units, record)
            .map_err(|problem| self.rows.error(problem))?;
        Ok(Step::Record)
    }

    fn lines(&self) -> Option<u64> {
        Some(self.lines)
    }
}

/// How many requests a row stands for.
fn count_of(row: &Row, layout: &Layout) -> Result<u64, String> {
    check_width(row, layout.columns)?;
    let Some(column) = layout.count else { return Ok(1) };
    let field = row.field(column);
    fields::size(field).filter(|&count| count <= MAX_COUNT).ok_or_else(|| {
        format!(
            "the count is {}; expected a whole number from 0 to {MAX_COUNT} \
             (--count-column none takes every line for one request)",
            shown(field)
        )
    })
}

fn check_width(row: &Row, columns: usize) -> Result<(), String> {
    if row.has(columns) {
        return Ok(());
    }
    let hint = match row.field(0).first() {
        Some(b'#') => "; if it is a comment, say --comment #",
        _ => "",
    };
    Err(format!("has {}; expected {columns} as in the first line{hint}", columns_in_words(row.len())))
}

fn parse(row: &Row, layout: &Layout, units: Units, record: &mut Record) -> Result<(), String> {
    record.key.clear();
    record.key.extend_from_slice(row.field(layout.key));
    check_key(record.key.len())?;
    record.op = layout.op.map_or(Ok(Op::Get), |column| op(row.field(column)))?;
    record.time_ms = layout.time.map_or(Ok(0), |column| time("time", row.field(column), units.time))?;
    record.value_bytes = match layout.size.map(|column| row.field(column)) {
        Some(size) if !fields::is_untold(size) => Some(bytes("size", size)?),
        _ => None,
    };
    // A read that found nothing is recorded with a size of zero.
    if record.op == Op::Get && layout.op.is_some() && record.value_bytes == Some(0) {
        record.value_bytes = None;
    }
    record.ttl_ms = match layout.ttl.map(|column| row.field(column)) {
        Some(ttl) if !fields::is_untold(ttl) => Some(time("TTL", ttl, units.ttl)?).filter(|&ttl| ttl > 0),
        _ => None,
    };
    Ok(())
}

fn time(what: &str, field: &[u8], unit: TimeUnit) -> Result<u64, String> {
    fields::milliseconds(field, unit).ok_or_else(|| {
        let (shown, option) = (shown(field), what.to_ascii_lowercase());
        match fields::magnitude(field) {
            Some(_) => format!("the {what} is {shown}, too large in {}; say --{option}-unit", unit.words()),
            None => format!(
                "the {what} is {shown}; expected a number, 0 or more (--{option}-column none reads on without)"
            ),
        }
    })
}

pub(super) fn columns_in_words(count: usize) -> String {
    if count == 1 { "1 column".to_owned() } else { format!("{count} columns") }
}

pub(super) fn check_key(key_bytes: usize) -> Result<(), String> {
    match key_bytes {
        0 => Err("the key is empty; expected at least one byte".to_owned()),
        1..=MAX_KEY_BYTES => Ok(()),
        long => Err(format!("the key has {long} bytes; expected at most {MAX_KEY_BYTES}")),
    }
}

pub(super) fn bytes(what: &str, field: &[u8]) -> Result<u64, String> {
    fields::size(field)
        .ok_or_else(|| format!("the {what} is {}; expected a whole number of bytes, 0 or more", shown(field)))
}

pub(super) fn op(field: &[u8]) -> Result<Op, String> {
    fields::op(field).ok_or_else(|| {
        format!(
            "the operation is {}; expected get, set, add, delete or one of memcached's others \
             (--op-column none takes every line for a get)",
            shown(field)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::options::Column;
    use super::super::{Columns, Format, ReadAs, guess};
    use super::*;

    fn read_all(text: &str, columns: &Columns) -> Result<Vec<Record>, String> {
        let read_as = ReadAs { format: Some(Format::Csv), columns: columns.clone(), ..ReadAs::default() };
        let read = || {
            let mut source = Source::of(text.as_bytes());
            let plan = guess::plan(&mut source, &read_as)?;
            let mut reader = Reader::new(source, &plan);
            let (mut records, mut record) = (Vec::new(), Record::default());
            while reader.read(&mut record)? == Step::Record {
                records.push(record.clone());
            }
            Ok(records)
        };
        read().map_err(|error: TraceError| error.to_string())
    }

    fn refused(text: &str) -> String {
        read_all(text, &Columns::default()).unwrap_err()
    }

    #[test]
    fn columns_are_found_by_their_usual_names_in_any_order() {
        let text = "Size,op, TTL,key,timestamp,more\n10,set,60,\"a,b\",1.5,x\n0,get,0,a,2,\n";
        let set = Record {
            time_ms: 1500,
            key: b"a,b".to_vec(),
            value_bytes: Some(10),
            ttl_ms: Some(60_000),
            op: Op::Set,
        };
        let get = Record { time_ms: 2000, key: b"a".to_vec(), ..Record::default() };
        assert_eq!(read_all(text, &Columns::default()), Ok(vec![set, get]));
    }

    #[test]
    fn columns_can_be_named_and_a_name_that_is_not_there_is_told() {
        let columns = Columns { key: Some(Column::Named("page".into())), ..Columns::default() };
        assert_eq!(read_all("page\n/a\n", &columns).unwrap()[0].key, b"/a");
        let message = read_all("url,x\n/a,1\n", &columns).unwrap_err();
        assert_eq!(message, "trace, line 1: there is no column \"page\"; the header names \"url\", \"x\"");
        assert!(refused("url,x\n/a,1\n").contains("--key-column"));
    }

    #[test]
    fn a_line_stands_for_as_many_requests_as_its_count_says() {
        let text = "key,op,size,op_count\na,GET,0,3\nb,SET,5,0\nb,GET,5,1\n";
        let keys: Vec<Vec<u8>> =
            read_all(text, &Columns::default()).unwrap().into_iter().map(|record| record.key).collect();
        assert_eq!(keys, [b"a", b"a", b"a", b"b"]);
        for wrong in ["-1", "many", "99999999999", "1584000000", ""] {
            let message = refused(&format!("key,op_count\na,1\nb,{wrong}\n"));
            assert!(message.starts_with(&format!("trace, line 3: the count is \"{wrong}\"")), "{message}");
        }
        let once = Columns { count: Some(Column::None), ..Columns::default() };
        assert_eq!(read_all(text, &once).unwrap().len(), 3);
    }

    #[test]
    fn a_header_that_stands_once_more_is_passed_over() {
        for (text, count) in [
            ("key,op,op_count\na,GET,2\nkey,op,op_count\nb,GET,1\n", 3),
            ("time,key\n1,a\ntime,key\n2,b\ntime,key\n", 2),
            ("\"time\",\"key\"\n1,a\n\"time\",\"key\"\n2,b\n", 2),
            ("key\na\nkey\nb\n", 2),
        ] {
            assert_eq!(
                read_all(text, &Columns::default()).map(|records| records.len()),
                Ok(count),
                "{text:?}"
            );
        }
        assert!(refused("time,key\n1,a\ntime,keys\n").contains("line 3: the time is \"time\""));
    }

    #[test]
    fn a_wrong_line_is_told_by_number_with_what_was_expected() {
        let message = refused("time,key,size\n1,a,5\n1,b\n");
        assert_eq!(message, "trace, line 3: has 2 columns; expected 3 as in the first line");
        let message = refused("key,size\na,-5\n");
        assert_eq!(message, "trace, line 2: the size is \"-5\"; expected a whole number of bytes, 0 or more");
        assert!(refused("key,time\na,noon\n").starts_with("trace, line 2: the time is \"noon\""));
        let message = refused("key,time\na,1\nb,158400000000000000000000000000\n");
        assert!(message.contains("too large in nanoseconds; say --time-unit"), "{message}");
        let late = format!("key,size\n{}# b\n", "a,1\n".repeat(30_000));
        assert!(refused(&late).ends_with("if it is a comment, say --comment #"));
        assert!(refused("key,ttl\na,-1\n").starts_with("trace, line 2: the TTL is \"-1\""));
        let message = refused("key,op\na,get\nb,touch\n");
        assert!(message.starts_with("trace, line 3: the operation is \"touch\""), "{message}");
        assert!(message.contains("--op-column none"), "{message}");
        assert!(refused("key,op\n,get\n").starts_with("trace, line 2: the key is empty"));
        let long = format!("key,op\n{},get\n", "k".repeat(MAX_KEY_BYTES + 1));
        assert!(refused(&long).starts_with("trace, line 2: the key has 32769 bytes"));
        assert_eq!(read_all("key,size\na,1,\nb,2\n", &Columns::default()).unwrap().len(), 2);
    }
}
