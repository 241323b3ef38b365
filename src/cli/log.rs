//! How training goes, on stderr.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::train::{EpochRecord, Observer, Progress};

/// A bar on a terminal, and a line an epoch.
pub(super) struct Log {
    bar: ProgressBar,
    /// Digits of a loss.
    digits: usize,
    /// What batches are made of.
    unit: &'static str,
    /// How a figure is written.
    figure: fn(f64) -> String,
}

impl Log {
    /// Losses have so many digits, batches are made of `unit`, figures are written by `figure`.
    pub(super) fn new(digits: usize, unit: &'static str, figure: fn(f64) -> String) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} {eta}")
        {
            bar.set_style(style);
        }
        Self {
            bar,
            digits,
            unit,
            figure,
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl Observer for Log {
    fn step(&mut self, progress: &Progress) {
        self.bar.set_length(progress.batches as u64);
        self.bar.set_position(progress.batch as u64);
        self.bar
            .set_prefix(format!("epoch {}/{}", progress.epoch, progress.epochs));
        self.bar.set_message(format!(
            "loss {:.*} norm {:.2}",
            self.digits, progress.loss, progress.gradient_norm
        ));
    }

    fn epoch(&mut self, record: &EpochRecord) {
        let figures: Vec<String> = record
            .figures
            .iter()
            .map(|(name, value)| format!("{name} {}", (self.figure)(*value)))
            .collect();
        let digits = self.digits;
        self.line(&format!(
            "epoch {} step {} loss {:.digits$} dev {:.digits$} {} norm {:.2} rate {:.2e} {:.0} {}/s {:.0} s",
            record.epoch,
            record.step,
            record.train_loss,
            record.dev_loss,
            figures.join(" "),
            record.gradient_norm,
            record.learning_rate,
            record.frames_per_second,
            self.unit,
            record.seconds
        ));
        if let Some(sample) = &record.sample {
            self.line(&format!("  {sample}"));
        }
    }

    fn note(&mut self, note: &str) {
        self.line(note);
    }
}
