//! How far a download, copy or check is, and how that looks: a bar on a terminal, else a line now and then
//! that reads well in a log.

use std::io::Write;
use std::time::Duration;

use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Plain output gets a line whenever this share of the file has come, percent.
const PLAIN_STEP_PERCENT: u64 = 10;
/// The same for a file of unknown size, bytes.
const PLAIN_STEP_BYTES: u64 = 100_000_000;
/// The bar as the library's template language writes it.
const BAR: &str = "{msg:12} {bar:30} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  \
                   {decimal_bytes_per_sec}  {eta}";
const BAR_UNKNOWN: &str = "{msg:12} {spinner} {decimal_bytes}  {decimal_bytes_per_sec}";

/// What is going on.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Bytes on the disk are read and hashed.
    Checking {
        /// So far.
        bytes: u64,
        /// In all.
        bytes_total: u64,
    },
    /// Bytes arrive.
    Downloading {
        /// So far, with those of earlier runs.
        bytes: u64,
        /// In all, if the server says so.
        bytes_total: Option<u64>,
    },
    /// Bytes are copied.
    Copying {
        /// So far.
        bytes: u64,
        /// In all.
        bytes_total: u64,
    },
    /// A checkpoint becomes a model file.
    Converting {
        /// Written so far.
        bytes: u64,
        /// In all.
        bytes_total: u64,
    },
    /// The line failed; the next attempt comes after a pause.
    Waiting {
        /// What failed.
        reason: String,
        /// How long.
        pause: Duration,
    },
    /// What had arrived was of no use.
    StartingOver {
        /// Why.
        reason: String,
    },
}

/// Shows progress to a person.
pub struct ProgressPrinter {
    look: Look,
}

enum Look {
    Bar(ProgressBar),
    Plain { out: Box<dyn Write + Send>, shown: Option<(&'static str, u64)> },
}

impl ProgressPrinter {
    /// A bar on standard error if it is a terminal, else plain lines there.
    pub fn for_stderr() -> Self {
        let target = ProgressDrawTarget::stderr();
        if target.is_hidden() {
            return Self::plain(Box::new(std::io::stderr()));
        }
        ProgressPrinter { look: Look::Bar(ProgressBar::with_draw_target(None, target)) }
    }

    /// Plain lines.
    pub fn plain(out: Box<dyn Write + Send>) -> Self {
        ProgressPrinter { look: Look::Plain { out, shown: None } }
    }

    /// Shows this.
    pub fn show(&mut self, progress: &Progress) {
        match progress {
            Progress::Checking { bytes, bytes_total } => self.amount("checking", *bytes, Some(*bytes_total)),
            Progress::Copying { bytes, bytes_total } => self.amount("copying", *bytes, Some(*bytes_total)),
            Progress::Downloading { bytes, bytes_total } => self.amount("downloading", *bytes, *bytes_total),
            Progress::Converting { bytes, bytes_total } => {
                self.amount("converting", *bytes, Some(*bytes_total));
            }
            Progress::Waiting { reason, pause } => {
                self.note(&format!("{reason}; trying again in {:.0} s", pause.as_secs_f32()));
            }
            Progress::StartingOver { reason } => self.note(&format!("{reason}; starting over")),
        }
    }

    /// Takes the bar away, so that what follows stands on a clean line.
    pub fn finish(self) {
        if let Look::Bar(bar) = self.look {
            bar.finish_and_clear();
        }
    }

    fn amount(&mut self, what: &'static str, bytes: u64, bytes_total: Option<u64>) {
        match &mut self.look {
            Look::Bar(bar) => {
                if bar.message() != what || bar.length() != bytes_total {
                    let template = if bytes_total.is_some() { BAR } else { BAR_UNKNOWN };
                    bar.set_style(
                        ProgressStyle::with_template(template).expect("a test reads the templates"),
                    );
                    bar.set_message(what);
                    if let Some(total) = bytes_total {
                        bar.set_length(total);
                    }
                    // Speed counts from here: what an earlier run brought did not come in an instant.
                    bar.set_position(bytes);
                    bar.reset_eta();
                }
                bar.set_position(bytes);
            }
            Look::Plain { out, shown } => {
                let step = match bytes_total {
                    Some(total) => bytes.saturating_mul(100) / total.max(1) / PLAIN_STEP_PERCENT,
                    None => bytes / PLAIN_STEP_BYTES,
                };
                if shown.replace((what, step)) == Some((what, step)) {
                    return;
                }
                match bytes_total {
                    Some(total) => {
                        let percent = step * PLAIN_STEP_PERCENT;
                        writeln!(out, "{what}: {percent} % of {}", DecimalBytes(total))
                    }
                    None => writeln!(out, "{what}: {}", DecimalBytes(bytes)),
                }
                .ok(); // nobody reads it
            }
        }
    }

    fn note(&mut self, text: &str) {
        match &mut self.look {
            Look::Bar(bar) => bar.println(text),
            Look::Plain { out, .. } => {
                writeln!(out, "{text}").ok(); // nobody reads it
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn plain_output_has_a_line_per_tenth() {
        let out = Shared::default();
        let mut printer = ProgressPrinter::plain(Box::new(out.clone()));
        for bytes in 0..=1000 {
            printer.show(&Progress::Downloading { bytes: bytes * 2000, bytes_total: Some(2_000_000) });
            if bytes == 555 {
                let reason = "the connection was cut".into();
                printer.show(&Progress::Waiting { reason, pause: Duration::from_secs(2) });
            }
        }
        printer.finish();
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        expect_test::expect![[r#"
            downloading: 0 % of 2.00 MB
            downloading: 10 % of 2.00 MB
            downloading: 20 % of 2.00 MB
            downloading: 30 % of 2.00 MB
            downloading: 40 % of 2.00 MB
            downloading: 50 % of 2.00 MB
            the connection was cut; trying again in 2 s
            downloading: 60 % of 2.00 MB
            downloading: 70 % of 2.00 MB
            downloading: 80 % of 2.00 MB
            downloading: 90 % of 2.00 MB
            downloading: 100 % of 2.00 MB
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn the_bars_can_be_drawn() {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let mut printer = ProgressPrinter { look: Look::Bar(bar) };
        printer.show(&Progress::Downloading { bytes: 1, bytes_total: None });
        printer.show(&Progress::Checking { bytes: 1, bytes_total: 2 });
        let Look::Bar(bar) = &printer.look else { panic!("it stays a bar") };
        assert_eq!((bar.message().as_str(), bar.position(), bar.length()), ("checking", 1, Some(2)));
        printer.finish();
    }
}
