//! Everything wrong with a configuration, shown together: file, line, the line itself and a caret.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::{fmt, ops::Range};

/// A text that configuration came from: the file, or one environment variable.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What to call it: the file's path, or `environment variable NAME`.
    pub(super) name: String,
    /// The text; of a variable `NAME=value`.
    pub(super) text: String,
    /// Where it begins in the positions of this configuration: every source has its own range, so
    /// that a position alone says which source it is in.
    pub(super) start: usize,
}

impl Source {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len() + 1
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// What, in one sentence.
    pub(super) message: String,
    /// What to do about it.
    pub(super) help: Option<String>,
    /// Where, in positions over all sources.
    pub(super) span: Option<Range<usize>>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, span: Option<Range<usize>>) -> Self {
        Fault { message: message.into(), help: None, span }
    }
}

/// Everything wrong with a configuration. Never empty.
///
/// `Display` shows each fault with its line and a caret, in the order of the file, and a count.
#[derive(Debug)]
pub struct Faults {
    sources: Vec<Source>,
    faults: Vec<Fault>,
}

impl Faults {
    pub(super) fn new(sources: Vec<Source>, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.span.as_ref().map_or(0, |span| span.start));
        Faults { sources, faults }
    }

    /// How many there are, at least 1.
    pub fn count(&self) -> usize {
        self.faults.len()
    }

    /// The sentences alone, in the order shown.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(|fault| fault.message.as_str())
    }

    /// The text of `Display`, with colours if `coloured`.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let mut shown = String::new();
        for fault in &self.faults {
            let title = Level::ERROR.primary_title(fault.message.as_str());
            let mut group = match self.place(fault) {
                Some((source, span)) => title.element(
                    Snippet::source(source.text.as_str())
                        .path(source.name.as_str())
                        .annotation(AnnotationKind::Primary.span(span)),
                ),
                None => Group::with_title(title),
            };
            if let Some(help) = &fault.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            shown.push_str(&renderer.render(&[group]));
            shown.push_str("\n\n");
        }
        shown.push_str(&match self.faults.len() {
            1 => "1 fault in the configuration".to_owned(),
            count => format!("{count} faults in the configuration"),
        });
        shown
    }

    /// The source a fault is in, and its position there.
    fn place(&self, fault: &Fault) -> Option<(&Source, Range<usize>)> {
        let span = fault.span.clone()?;
        let source = self.sources.iter().find(|source| source.range().contains(&span.start))?;
        let end = (span.end - source.start).min(source.text.len());
        let start = (span.start - source.start).min(end);
        // A table's position is its header; where it is the whole document there is nothing to point at.
        Some((source, start..end))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Faults {}
