//! CSV with a header line that names the columns. Only the key's column must be there.

use super::fields::{self, shown};
use super::source::Source;
use super::{MAX_KEY_BYTES, Op, Place, Record, Records, Step, TimeUnit, TraceError};

/// Names of columns; those that are not given are looked for under their usual names.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// The time of the request.
    pub time: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// The bytes of the value.
    pub size: Option<String>,
    /// The time to live.
    pub ttl: Option<String>,
    /// The operation.
    pub op: Option<String>,
}

const TIME: &[&str] = &["time", "timestamp", "ts", "op_time"];
const KEY: &[&str] = &["key", "id", "obj_id", "object_id", "object", "anonymized key", "anonymized_key"];
const SIZE: &[&str] = &["size", "value_size", "value size", "bytes", "obj_size", "object_size"];
const TTL: &[&str] = &["ttl"];
const OP: &[&str] = &["op", "operation"];

/// Where in a line each field is.
struct Layout {
    columns: usize,
    time: Option<usize>,
    key: usize,
    size: Option<usize>,
    ttl: Option<usize>,
    op: Option<usize>,
}

pub(super) struct Reader {
    csv: ::csv::Reader<Source>,
    line: ::csv::ByteRecord,
    layout: Layout,
    time_unit: TimeUnit,
}

impl Reader {
    /// # Errors
    ///
    /// The header cannot be read, has no column for the key, or lacks a column that was named.
    pub(super) fn new(source: Source, columns: &Columns, time_unit: TimeUnit) -> Result<Self, TraceError> {
        let mut csv = ::csv::ReaderBuilder::new().flexible(true).from_reader(source);
        let header = match csv.byte_headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(unreadable(&csv, &error, Place::Line(1))),
        };
        let layout =
            Layout::of(&header, columns).map_err(|problem| csv.get_ref().error(Place::Line(1), problem))?;
        Ok(Reader { csv, line: ::csv::ByteRecord::new(), layout, time_unit })
    }

    fn parse(&self, record: &mut Record) -> Result<(), String> {
        let (line, layout) = (&self.line, &self.layout);
        if line.len() != layout.columns {
            return Err(format!(
                "has {}; expected {} as in the header",
                columns_in_words(line.len()),
                layout.columns
            ));
        }
        let field = |column: Option<usize>| column.and_then(|column| line.get(column)).unwrap_or_default();
        record.key.clear();
        record.key.extend_from_slice(field(Some(layout.key)));
        check_key(record.key.len())?;
        record.op = match layout.op {
            None => Op::Get,
            Some(_) => op(field(layout.op))?,
        };
        record.time_ms = match layout.time {
            None => 0,
            Some(_) => self.time("time", field(layout.time))?,
        };
        record.value_bytes = match field(layout.size) {
            [] => None,
            size => Some(bytes("size", size)?),
        };
        // A read that found nothing is recorded with a size of zero.
        if record.op == Op::Get && layout.op.is_some() && record.value_bytes == Some(0) {
            record.value_bytes = None;
        }
        record.ttl_ms = match field(layout.ttl) {
            [] => None,
            ttl => Some(self.time("TTL", ttl)?).filter(|&ttl| ttl > 0),
        };
        Ok(())
    }

    fn time(&self, what: &str, field: &[u8]) -> Result<u64, String> {
        fields::milliseconds(field, self.time_unit)
            .ok_or_else(|| format!("the {what} is {}; expected a number, 0 or more", shown(field)))
    }
}

impl Records for Reader {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        match self.csv.read_byte_record(&mut self.line) {
            Ok(true) => {}
            Ok(false) => return Ok(Step::End),
            Err(error) => {
                let place = Place::Line(self.csv.position().line());
                return Err(unreadable(&self.csv, &error, place));
            }
        }
        self.parse(record).map_err(|problem| {
            let line = self.line.position().map_or(0, ::csv::Position::line);
            self.csv.get_ref().error(Place::Line(line), problem)
        })?;
        Ok(Step::Record)
    }
}

impl Layout {
    fn of(header: &::csv::ByteRecord, columns: &Columns) -> Result<Layout, String> {
        let find = |named: &Option<String>, usual: &[&str]| match named {
            None => Ok(position(header, usual)),
            Some(name) => match position(header, &[name]) {
                Some(column) => Ok(Some(column)),
                None => Err(format!("there is no column {}; {}", shown(name.as_bytes()), names(header))),
            },
        };
        let key = find(&columns.key, KEY)?.ok_or_else(|| {
            format!("no column is named like a key; {}: name it with --key-column", names(header))
        })?;
        Ok(Layout {
            columns: header.len(),
            time: find(&columns.time, TIME)?,
            key,
            size: find(&columns.size, SIZE)?,
            ttl: find(&columns.ttl, TTL)?,
            op: find(&columns.op, OP)?,
        })
    }
}

/// The first column with one of these names, in the order of the names.
fn position(header: &::csv::ByteRecord, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| {
        header.iter().position(|column| column.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    })
}

fn names(header: &::csv::ByteRecord) -> String {
    let names: Vec<String> = header.iter().map(shown).collect();
    format!("the header names {}", names.join(", "))
}

fn unreadable(csv: &::csv::Reader<Source>, error: &::csv::Error, place: Place) -> TraceError {
    match error.kind() {
        ::csv::ErrorKind::Io(error) => csv.get_ref().unreadable(place, error),
        _ => csv.get_ref().error(place, error.to_string()),
    }
}

/// Whether a first line may be the header of a CSV trace; it is one if the user named columns.
pub(super) fn may_begin(line: &[u8], columns: &Columns) -> bool {
    let Columns { time, key, size, ttl, op } = columns;
    let mut header = ::csv::ByteRecord::new();
    let mut csv = ::csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let read = csv.read_byte_record(&mut header).is_ok_and(|read| read);
    [time, key, size, ttl, op].iter().any(|name| name.is_some()) || (read && position(&header, KEY).is_some())
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
    fields::whole(field)
        .ok_or_else(|| format!("the {what} is {}; expected a whole number of bytes, 0 or more", shown(field)))
}

pub(super) fn op(field: &[u8]) -> Result<Op, String> {
    fields::op(field).ok_or_else(|| {
        format!(
            "the operation is {}; expected get, set, add, delete or one of memcached's others",
            shown(field)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str, columns: &Columns) -> Result<Vec<Record>, String> {
        let mut reader = Reader::new(Source::of(text.as_bytes()), columns, TimeUnit::S)
            .map_err(|error| error.to_string())?;
        let (mut records, mut record) = (Vec::new(), Record::default());
        while reader.read(&mut record).map_err(|error| error.to_string())? == Step::Record {
            records.push(record.clone());
        }
        Ok(records)
    }

    fn refused(text: &str) -> String {
        read_all(text, &Columns::default()).unwrap_err()
    }

    #[test]
    fn columns_are_found_by_their_usual_names_in_any_order() {
        let text = "Size,op,TTL,key,timestamp,more\n10,set,60,\"a,b\",1.5,x\n0,get,0,a,2,\n";
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
        let columns = Columns { key: Some("page".into()), ..Columns::default() };
        assert_eq!(read_all("page\n/a\n", &columns).unwrap()[0].key, b"/a");
        let message = read_all("url,x\n/a,1\n", &columns).unwrap_err();
        assert_eq!(message, "trace, line 1: there is no column \"page\"; the header names \"url\", \"x\"");
        assert!(refused("url,x\n").contains("--key-column"));
    }

    #[test]
    fn a_wrong_line_is_told_by_number_with_what_was_expected() {
        let message = refused("time,key,size\n1,a,5\n1,b\n");
        assert_eq!(message, "trace, line 3: has 2 columns; expected 3 as in the header");
        let message = refused("key,size\na,-5\n");
        assert_eq!(message, "trace, line 2: the size is \"-5\"; expected a whole number of bytes, 0 or more");
        assert!(refused("key,time\na,noon\n").starts_with("trace, line 2: the time is \"noon\""));
        assert!(refused("key,ttl\na,-1\n").starts_with("trace, line 2: the TTL is \"-1\""));
        assert!(refused("key,op\na,touch\n").starts_with("trace, line 2: the operation is \"touch\""));
        assert!(refused("key,op\n,get\n").starts_with("trace, line 2: the key is empty"));
        let long = format!("key,op\n{},get\n", "k".repeat(MAX_KEY_BYTES + 1));
        assert!(refused(&long).starts_with("trace, line 2: the key has 32769 bytes"));
    }
}
