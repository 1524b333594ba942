//! What was asked under a policy, each name and type once, with how often.

use crate::{
    model::{CustomerId, PolicyId},
    querylog::{Line, LogReader, ReadError, Span},
};
use std::{collections::HashMap, time::Instant};

/// Different questions told at most; the others are counted only.
pub(super) const QUESTIONS_MAX: usize = 200_000;

/// A name and type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AskedFor {
    /// The name, as logged.
    pub name: Box<str>,
    /// The type, as logged.
    pub qtype: Box<str>,
}

/// What was asked within a span.
#[derive(Clone, Debug, Default)]
pub struct AskedSums {
    /// Queries in all.
    pub queries: u64,
    /// How often each question was asked, 200,000 different ones at most.
    pub questions: HashMap<AskedFor, u64>,
    /// Queries for questions beyond that.
    pub left_out: u64,
}

/// Reads the lines of the span that this policy of the customer decided.
pub(super) fn read(
    reader: &LogReader,
    customer: CustomerId,
    policy: PolicyId,
    span: Span,
    until: Instant,
) -> Result<AskedSums, ReadError> {
    let mut sums = AskedSums::default();
    let take = |line: Line<'_>| {
        let Some(logged) = line.query().filter(|logged| logged.policy == policy.0) else { return Ok(()) };
        sums.queries += 1;
        let question = AskedFor { name: (*logged.name).into(), qtype: (*logged.qtype).into() };
        let is_full = sums.questions.len() >= QUESTIONS_MAX;
        match sums.questions.get_mut(&question) {
            Some(times) => *times += 1,
            None if is_full => sums.left_out += 1,
            None => {
                sums.questions.insert(question, 1);
            }
        }
        Ok(())
    };
    reader.scan(span, until, |id| id == customer, take)?;
    Ok(sums)
}
