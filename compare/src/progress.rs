//! How far a measurement is: a bar on a terminal, else a line now and then, so that a log shows that it goes on.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// A number of steps, some of them done.
pub struct Progress {
    title: &'static str,
    bar: ProgressBar,
    /// When the last line was written, where there is no terminal to draw on.
    lines: Option<Mutex<Option<Instant>>>,
}

impl Progress {
    /// None of `steps` done.
    pub fn new(title: &'static str, steps: u64) -> Self {
        let bar = ProgressBar::new(steps);
        let style = ProgressStyle::with_template(
            "{prefix} [{bar:30}] {pos}/{len} {elapsed} (about {eta} left) {wide_msg}",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(title);
        bar.enable_steady_tick(Duration::from_millis(500));
        let lines = (!std::io::stderr().is_terminal()).then(Mutex::default);
        Self { title, bar, lines }
    }

    /// A progress that prints nothing.
    #[cfg(test)]
    pub fn hidden() -> Self {
        Self { title: "", bar: ProgressBar::hidden(), lines: None }
    }

    /// Tells what is done now.
    pub fn set_message(&self, message: String) {
        if let Some(last) = &self.lines {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_none_or(|last| last.elapsed() >= BETWEEN_LINES) {
                *last = Some(Instant::now());
                let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
                eprintln!("{} {done}/{all}: {message}", self.title);
            }
        }
        self.bar.set_message(message);
    }

    /// Counts steps as done.
    pub fn inc(&self, steps: u64) {
        self.bar.inc(steps);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
