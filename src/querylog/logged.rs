//! A line read back.

use serde::Deserialize;
use std::{borrow::Cow, net::IpAddr};

/// What became of a logged query, for people who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered, or refused for another reason than a policy.
    Allowed,
    /// Blocked by a policy.
    Blocked,
    /// Would have been blocked, but somebody let it through.
    Bypassed,
}

/// What a line says. Unknown members are left out, so that older and newer lines can be read.
#[derive(Debug, Deserialize)]
pub struct LoggedQuery<'a> {
    /// When it was answered.
    pub time: jiff::Timestamp,
    /// The address it came from.
    pub client: IpAddr,
    /// Id of the customer.
    pub customer: u32,
    /// Id of the location, where it is known.
    #[serde(default)]
    pub location: Option<u32>,
    /// Id of the roaming device, where it is known.
    #[serde(default)]
    pub device: Option<u32>,
    /// Id of the internal user, where it is known.
    #[serde(default)]
    pub user: Option<u32>,
    /// Id of the policy that decided.
    pub policy: u32,
    /// The name asked for.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The type asked for.
    #[serde(rename = "type", borrow)]
    pub qtype: Cow<'a, str>,
    /// Response code.
    #[serde(borrow)]
    pub rcode: Cow<'a, str>,
    #[serde(borrow)]
    verdict: Cow<'a, str>,
    /// It would have been blocked, but its policy only tells of it.
    #[serde(default)]
    pub spared: bool,
    /// The detector that pointed at the name.
    #[serde(default, borrow)]
    pub detector: Option<Cow<'a, str>>,
    /// Microseconds from arrival to answer; `None` in lines older than this member.
    #[serde(default)]
    pub took_us: Option<u32>,
    /// Number of the category that blocked, else the first the name has.
    #[serde(default)]
    pub category: Option<u8>,
    #[serde(default)]
    categories: Vec<u8>,
    /// Step of the decision order that decided.
    #[serde(default)]
    step: u8,
    #[serde(default)]
    entry: Option<u32>,
    #[serde(default)]
    list: Option<u32>,
    #[serde(default, borrow)]
    service: Option<Cow<'a, str>>,
    #[serde(default)]
    record: Option<u32>,
    #[serde(default)]
    word: Option<u32>,
    #[serde(default, borrow)]
    cause: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    engine: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    level: Option<Cow<'a, str>>,
}

impl LoggedQuery<'_> {
    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        match &*self.verdict {
            "blocked" => Outcome::Blocked,
            _ if self.spared => Outcome::Bypassed,
            "bypassed" => Outcome::Bypassed,
            _ => Outcome::Allowed,
        }
    }

    /// What decided, in words; empty where nothing did before the last step.
    pub fn reason(&self) -> String {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
        let reason = if let Some(entry) = self.entry {
            format!("list entry {entry}")
        } else if let Some(list) = self.list {
            format!("subscribed list {list}")
        } else if self.service.is_some() {
            format!("service {}", text(&self.service))
        } else if let Some(record) = self.record {
            format!("local record {record}")
        } else if let Some(place) = self.word {
            format!("word {}", place + 1)
        } else if self.engine.is_some() {
            format!("safe search: {} {}", text(&self.engine), text(&self.level))
        } else if self.detector.is_some() {
            text(&self.detector).replace('_', " ")
        } else if self.cause.is_some() {
            text(&self.cause).replace('_', " ")
        } else {
            match (self.step, self.outcome()) {
                (1, _) => "special name".to_owned(),
                (6 | 9, Outcome::Blocked | Outcome::Bypassed) if self.category.is_some() => "category".to_owned(),
                (7, _) => "unclassified".to_owned(),
                _ => return String::new(),
            }
        };
        // Step 9 looks at what the answer leads to, and tells so of itself where it is an address.
        if self.step == 9 && self.cause.is_none() { format!("{reason}, in the answer") } else { reason }
    }

    /// Whether a search engine was held to its filtered results.
    pub fn safe_search(&self) -> bool {
        self.verdict == "safe_search"
    }

    /// Numbers of all categories that were known of the name.
    pub fn categories(&self) -> impl Iterator<Item = u8> + '_ {
        let one = self.category.filter(|_| self.categories.is_empty());
        self.categories.iter().copied().chain(one)
    }
}
