//! Which character begins comments, told by the lines that begin with it.

use super::super::ReadAs;
use super::super::options::ColumnRole;
use super::super::rows;
use super::{is_delimiter, layout};

/// The character that begins comments, unless the user says otherwise.
const COMMENT: u8 = b'#';

/// The character that begins comments in these lines, if one does, and what is doubtful in that.
pub(super) fn of(lines: &[Vec<u8>], read_as: &ReadAs) -> (Option<u8>, Option<String>) {
    if let Some(mark) = read_as.comment {
        return (mark.byte(), None);
    }
    let held = || lines.iter().map(Vec::as_slice).filter(|line| !rows::is_blank(line));
    let body_at = held().take_while(|line| is_marked(line)).count();
    let ahead = held().take(body_at).enumerate();
    // A header may stand in the last comment ahead of the requests.
    let keys_ahead =
        ahead.filter(|(at, line)| is_one_word(line) && !(at + 1 == body_at && names_key(line))).count();
    let body = || held().skip(body_at);
    let marked = keys_ahead + body().filter(|line| is_marked(line)).count();
    let all = keys_ahead + body().count();
    let has_tags = held().any(is_tag);
    // A file of `# words` alone has no line that is data yet.
    let is_data = has_tags && (all < 2 * marked || all == 0);
    let doubt = if is_data {
        Some("most lines begin with #, so they are no comments; --comment # says they are".to_owned())
    } else if marked > 0 && has_tags {
        Some("lines that begin with # are passed over; --comment none reads them, too".to_owned())
    } else {
        None
    };
    // A mark that the sample does not show is none: further on it may begin a key.
    (Some(COMMENT).filter(|_| !is_data && held().any(is_marked)), doubt)
}

fn is_marked(line: &[u8]) -> bool {
    line.first() == Some(&COMMENT)
}

/// Whether a line is `#word` or `#/path`, as keys are, and neither `# a comment` nor a ruler.
fn is_tag(line: &[u8]) -> bool {
    match line {
        [COMMENT, second, ..] => {
            !second.is_ascii_whitespace() && *second != COMMENT && line.iter().any(u8::is_ascii_alphanumeric)
        }
        _ => false,
    }
}

/// Whether a line is such a key and nothing behind it.
fn is_one_word(line: &[u8]) -> bool {
    is_tag(line) && !line.trim_ascii_end().iter().any(u8::is_ascii_whitespace)
}

/// Whether one of its words is a usual name of keys.
fn names_key(line: &[u8]) -> bool {
    let names = ColumnRole::Key.usual_names();
    line[1..].split(|&byte| is_delimiter(byte)).any(|word| names.contains(&&*layout::plain(word)))
}
