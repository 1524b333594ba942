//! The steps of a decision, for people.

use serde::Serialize;

/// One step of the decision order as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number in section 3 of the decision order.
    pub number: u8,
    /// What it looks at.
    pub title: &'static str,
    /// What it found.
    pub finding: String,
    /// Whether it decided.
    pub decided: bool,
}

/// Somebody who wants to know the steps. The query path does not, and pays nothing.
pub trait Trace {
    /// Takes a step; `step` is run only by those who keep it.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

/// Keeps nothing.
pub struct NoTrace;

impl Trace for NoTrace {
    #[inline(always)]
    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

/// Keeps every step in order.
#[derive(Clone, Debug, Default)]
pub struct TraceSteps(pub Vec<Step>);

impl Trace for TraceSteps {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.0.push(step());
    }
}
