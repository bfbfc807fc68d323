//! Where answers go: tables for people, documents for programs, bars on a terminal.

use std::env;
use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use comfy_table::{ContentArrangement, Table, presets};
use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::progress::Progress;

/// How wide a table is at most that nobody looks at on a terminal: its rows stay lines.
const WIDE: u16 = 1_000;

/// Where a command speaks.
pub(super) struct Screen {
    json: bool,
    /// Bars, where somebody sees them.
    bars: MultiProgress,
    has_bars: bool,
    width: u16,
    /// What goes on when the command ends meanwhile.
    waits_for: Mutex<Option<String>>,
    /// Standard output takes no more.
    is_closed: AtomicBool,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        let (out, error) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let can_move = env::var_os("TERM").is_none_or(|it| it != "dumb");
        let has_bars = !json && out && error && can_move;
        let target = match has_bars {
            true => ProgressDrawTarget::stderr_with_hz(5),
            false => ProgressDrawTarget::hidden(),
        };
        let width = Term::stdout().size_checked().filter(|_| out);
        Self {
            json,
            bars: MultiProgress::with_draw_target(target),
            has_bars,
            width: width.map_or(WIDE, |(_, columns)| columns),
            waits_for: Mutex::default(),
            is_closed: AtomicBool::default(),
        }
    }

    pub(super) const fn is_for_programs(&self) -> bool {
        self.json
    }

    pub(super) const fn has_bars(&self) -> bool {
        self.has_bars
    }

    /// Whether whoever read standard output has had enough of it.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Remembers what goes on when the command ends meanwhile.
    pub(super) fn wait_for(&self, goes_on: String) {
        *self
            .waits_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(goes_on);
    }

    /// What was waited for last.
    pub(super) fn waits_for(&self) -> Option<String> {
        let waits_for = self.waits_for.lock();
        waits_for.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something for people. What programs read has none of it.
    pub(super) fn line(&self, text: impl Display) {
        match self.json {
            true => drop(writeln!(io::stderr(), "{text}")),
            false => self.bars.suspend(|| self.put(&text)),
        }
    }

    fn put(&self, text: &dyn Display) {
        let mut out = io::stdout();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            self.is_closed.store(true, Ordering::Relaxed);
        }
    }

    /// A document for programs; for people what `show` makes of it.
    pub(super) fn answer(&self, document: &Value, show: impl FnOnce(&Self)) {
        match self.json {
            true => self.put(&format_args!("{document:#}")),
            false => show(self),
        }
    }

    /// A document on a line of its own, of many.
    pub(super) fn one_of_many(&self, document: &Value) {
        self.put(document);
    }

    /// A table, if it has rows.
    pub(super) fn table(&self, header: &[&str], rows: Vec<Vec<String>>) {
        if !rows.is_empty() {
            self.line(rendered(header, rows, self.width));
        }
    }

    /// A table that was asked for, which may have no rows.
    pub(super) fn list(&self, header: &[&str], rows: Vec<Vec<String>>) {
        match rows.is_empty() {
            true => self.line("none"),
            false => self.table(header, rows),
        }
    }

    /// A word that says how something is, and is coloured for who looks twice.
    pub(super) fn state(&self, word: &str) -> String {
        let styled = console::style(word.to_owned());
        // Where lines go.
        let styled = if self.json {
            styled.for_stderr()
        } else {
            styled
        };
        let styled = match word {
            "completed" | "ready" | "in_maintenance" => styled.green(),
            "failed" | "error" | "aborted" | "blocked" => styled.red(),
            "partial" | "cancelled" | "cancelling" | "expired" | "skipped" => styled.yellow(),
            _ => return word.to_owned(),
        };
        styled.to_string()
    }

    pub(super) fn bar(&self) -> Bar {
        let style = ProgressStyle::with_template("{prefix:20!} [{bar:30}] {percent:>3} % {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self
            .bars
            .add(ProgressBar::new(100).with_style(style.progress_chars("#>-")));
        Bar {
            bar,
            progress: Progress::default(),
        }
    }
}

/// A bar on a terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    progress: Progress,
}

impl Bar {
    pub(super) fn show(&mut self, name: &str, percent: u64, beside: String) {
        self.progress.advance(percent);
        self.bar.set_prefix(name.to_owned());
        self.bar.set_message(beside);
        self.bar.set_position(self.progress.percent());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Can somebody be asked?
pub(super) fn has_somebody() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; whoever says nothing says no.
pub(super) async fn agrees(question: &str) -> bool {
    let mut error = io::stderr();
    let _ = write!(error, "{question} [y/N] ");
    let _ = error.flush();
    // On a thread of its own, so that one can be interrupted meanwhile.
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.ok().and_then(Result::ok).unwrap_or_default();
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

fn rendered(header: &[&str], rows: Vec<Vec<String>>, width: u16) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::ASCII_BORDERS_ONLY_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(header.to_vec())
        .add_rows(rows);
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_header_and_a_line_for_each_row() {
        let rows = vec![
            vec!["vm-1".to_owned(), "memory".to_owned()],
            vec!["vm-2".to_owned(), "cpu".to_owned()],
        ];
        let text = rendered(&["Server", "Reason"], rows, WIDE);
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
        assert!(line("Server").contains("Reason"), "{text}");
        assert!(line("vm-1").contains("memory"), "{text}");
        assert!(line("vm-2").contains("cpu"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_gets_a_narrow_table() {
        let rows = vec![vec!["vm-1".to_owned(), "a long reason ".repeat(10)]];
        let text = rendered(&["Server", "Reason"], rows, 40);
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
    }
}
