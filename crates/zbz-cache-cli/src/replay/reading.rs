//! The arguments that say how a trace is to be read, in place of guesses.

use crate::trace::{Column, Columns, Delimiter, Format, Mark, ReadAs, TimeUnit};

/// What the user says of the traces.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Reading")]
pub struct ReadingArgs {
    /// The format of the traces
    #[arg(long, value_name = "FORMAT", ignore_case = true)]
    format: Option<Format>,

    /// What separates columns: comma, tab, semicolon, bar, space (any number of them) or another character
    #[arg(long, value_name = "CHARACTER", allow_hyphen_values = true)]
    delimiter: Option<Delimiter>,

    /// The first line names the columns
    #[arg(long, conflicts_with = "no_header")]
    header: bool,

    /// The first line is a request; columns go by number, counted from 1
    #[arg(long)]
    no_header: bool,

    /// What begins a comment, a line that is passed over; none: nothing does; without it, # where the
    /// file's beginning uses it so
    #[arg(long, value_name = "CHARACTER", allow_hyphen_values = true)]
    comment: Option<Mark>,

    /// What stands around a field that holds a delimiter; none: quotes are a part of fields; without
    /// it, " unless the file's beginning has all its columns without
    #[arg(long, value_name = "CHARACTER")]
    quote: Option<Mark>,

    /// The column of the time, by name or number; none: there is no time
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<Column>,

    /// The column of the key, by name or number
    #[arg(long, value_name = "COLUMN")]
    key_column: Option<Column>,

    /// The column of the value's size in bytes, by name or number; none: sizes are not known
    #[arg(long, value_name = "COLUMN")]
    size_column: Option<Column>,

    /// The column of the time to live, by name or number; none: nothing expires
    #[arg(long, value_name = "COLUMN")]
    ttl_column: Option<Column>,

    /// The column of the operation, by name or number; none: every line is a get
    #[arg(long, value_name = "COLUMN")]
    op_column: Option<Column>,

    /// The column that tells how many requests a line stands for, by name or number; none: one
    #[arg(long, value_name = "COLUMN")]
    count_column: Option<Column>,

    /// The unit of times in CSV; without it, how large they are tells
    #[arg(long, value_name = "UNIT", ignore_case = true)]
    time_unit: Option<TimeUnit>,

    /// The unit of TTLs in CSV; without it, that of --time-unit, or else a guess
    #[arg(long, value_name = "UNIT", ignore_case = true)]
    ttl_unit: Option<TimeUnit>,
}

impl ReadingArgs {
    /// What was said, as readers take it.
    pub fn read_as(&self) -> ReadAs {
        let columns = Columns {
            time: self.time_column.clone(),
            key: self.key_column.clone(),
            size: self.size_column.clone(),
            ttl: self.ttl_column.clone(),
            op: self.op_column.clone(),
            count: self.count_column.clone(),
        };
        ReadAs {
            format: self.format,
            delimiter: self.delimiter,
            has_header: (self.header || self.no_header).then_some(self.header),
            comment: self.comment,
            quote: self.quote,
            columns,
            time_unit: self.time_unit,
            ttl_unit: self.ttl_unit,
        }
    }
}
