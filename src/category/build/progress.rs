//! How a build tells how far it is.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What a build does after reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Names are sorted and counted.
    Sorting,
    /// The index is written.
    Writing,
}

/// Hears how far a build is.
pub trait Progress {
    /// So many octets of files will be read.
    fn begin(&mut self, octets: u64);
    /// This source is being read.
    fn source(&mut self, name: &str);
    /// So many more octets were read.
    fn advance(&mut self, octets: u64);
    /// All is read; this comes next.
    fn phase(&mut self, phase: Phase);
    /// The index stands.
    fn finish(&mut self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: u64) {}
    fn source(&mut self, _: &str) {}
    fn advance(&mut self, _: u64) {}
    fn phase(&mut self, _: Phase) {}
    fn finish(&mut self) {}
}

/// A bar on standard error if that is a terminal, otherwise nothing.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that appears when the build begins.
    pub fn new() -> Self {
        Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()))
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Bar {
    fn begin(&mut self, octets: u64) {
        self.0 = ProgressBar::with_draw_target(Some(octets), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("[{elapsed}] [{bar:40}] {bytes}/{total_bytes} {wide_msg}");
        self.0.set_style(style.expect("a constant template").progress_chars("=> "));
    }

    fn source(&mut self, name: &str) {
        self.0.set_message(name.to_owned());
    }

    fn advance(&mut self, octets: u64) {
        self.0.inc(octets);
    }

    fn phase(&mut self, phase: Phase) {
        self.0.set_message(match phase {
            Phase::Sorting => "sorting",
            Phase::Writing => "writing",
        });
    }

    fn finish(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        // After an error the half-filled bar would stay above the message.
        self.0.finish_and_clear();
    }
}
