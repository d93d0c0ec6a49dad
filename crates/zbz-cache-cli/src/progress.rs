//! Progress bars: on the standard error, and only if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Steps between two moves of a bar: often enough for the eye, too rarely to be felt in the figures.
const STRIDE: u64 = 1 << 12;

/// A bar or a count, gone when it is dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar that stands at zero, with words beside it.
    pub fn new(steps: u64, words: &str) -> Progress {
        let bar = ProgressBar::new(steps).with_message(words.to_owned());
        if let Ok(style) = ProgressStyle::with_template("[{bar:32}] {percent:>3} %  {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Progress { bar }
    }

    /// A count of steps whose number is not known, with words beside it.
    pub fn counting(words: &str) -> Progress {
        let bar = ProgressBar::new_spinner().with_message(words.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{human_pos:>13}  {wide_msg}") {
            bar.set_style(style);
        }
        Progress { bar }
    }

    /// Tells how many steps are done.
    pub fn at(&self, step: u64) {
        if step.is_multiple_of(STRIDE) {
            self.bar.set_position(step);
        }
    }

    /// Tells what is done now.
    pub fn doing(&self, words: &str) {
        self.bar.set_message(words.to_owned());
    }

    /// Tells that one more step is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
