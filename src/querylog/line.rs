//! How an event looks in the file: one JSON object a line.

use super::QueryEvent;
use crate::{
    model::{CategoryId, CategorySet, EntryId, Name, SearchLevel},
    policy::{Cause, Detector, Rewrite, SearchEngines, Services, Verdict, level_name},
    wire::{TypeName, rcode_name},
};
use serde::{Serialize, Serializer};
use std::{fmt::Display, net::IpAddr};

/// A line. Ids are those of the API; what is not known is left out.
#[derive(Serialize)]
struct Line<'a> {
    /// RFC 3339 with milliseconds, UTC.
    #[serde(serialize_with = "text")]
    time: jiff::Timestamp,
    client: IpAddr,
    protocol: &'static str,
    customer: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<u32>,
    policy: u32,
    #[serde(serialize_with = "text")]
    name: Name<'a>,
    #[serde(rename = "type", serialize_with = "text")]
    qtype: TypeName,
    rcode: &'static str,
    verdict: &'static str,
    /// Microseconds from the query's arrival to its answer.
    took_us: u32,
    /// The step of the decision order that decided.
    step: u8,
    /// The category that blocked, else the first the name has.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<u8>,
    /// All categories of the name, where it has more than that one.
    #[serde(skip_serializing_if = "Categories::is_one")]
    categories: Categories,
    /// The list entry that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u32>,
    /// The subscribed list that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<u32>,
    /// The subscribed zone that has the name, but is noted only.
    #[serde(skip_serializing_if = "Option::is_none")]
    noted_list: Option<u32>,
    /// The service that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'static str>,
    /// The local record that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u32>,
    /// The word that decided: its place among those of the policy, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<u16>,
    /// What decided, where it has no id: `pause`, `schedule`, `not_allowed`, `address` or `private_address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    /// The search engine that was held to its filtered results, or blocked for want of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'static str>,
    /// How far it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    /// It would have been blocked, but the policy only tells of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    spared: bool,
    /// The detector that pointed at the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    detector: Option<&'static str>,
}

/// Numbers of categories.
struct Categories(CategorySet);

impl Categories {
    fn is_one(&self) -> bool {
        self.0.iter().nth(1).is_none()
    }
}

impl Serialize for Categories {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(CategoryId::number))
    }
}

fn text<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Appends the line of an event.
pub(super) fn append(event: &QueryEvent, buffer: &mut Vec<u8>) {
    let (category, all, entry): (Option<CategoryId>, CategorySet, Option<EntryId>) = match event.decision.cause {
        Cause::List { entry, .. } => (None, CategorySet::EMPTY, Some(entry)),
        Cause::Category { blocked, all } => (blocked.first(), all, None),
        Cause::Default { all } | Cause::SafeSearch { all, .. } => (all.first(), all, None),
        _ => (None, CategorySet::EMPTY, None),
    };
    let engine = match event.decision.cause {
        Cause::SafeSearch { engine, .. } => SearchEngines::get().by_number(engine),
        _ => None,
    };
    let line = Line {
        time: jiff::Timestamp::from_millisecond(event.time_ms).unwrap_or_default(),
        client: event.address,
        protocol: event.transport.name(),
        customer: event.customer.0,
        location: event.location.map(|id| id.0),
        device: event.device.map(|id| id.0),
        user: event.user.map(|id| id.0),
        policy: event.decision.policy.0,
        name: event.name(),
        qtype: TypeName(event.qtype),
        rcode: rcode_name(event.rcode),
        verdict: event.verdict.name(),
        took_us: event.took_us,
        step: event.decision.step(),
        category: category.map(CategoryId::number),
        categories: Categories(all),
        entry: entry.map(|id| id.0),
        list: match event.decision.cause {
            Cause::Subscribed { list, .. } => Some(list.0),
            _ => None,
        },
        noted_list: event.decision.noted_list.map(|list| list.0),
        service: match event.decision.cause {
            Cause::Service(service) => Some(Services::get().id_of(service)),
            _ => None,
        },
        record: match event.decision.cause {
            Cause::Record(record) => Some(record.0),
            _ => None,
        },
        word: match event.decision.cause {
            Cause::Word(place) => Some(place),
            _ => None,
        },
        cause: match event.decision.cause {
            Cause::Paused => Some("pause"),
            Cause::Hours => Some("schedule"),
            Cause::NotAllowed => Some("not_allowed"),
            Cause::Address { rebinding: false } => Some("address"),
            Cause::Address { rebinding: true } => Some("private_address"),
            _ => None,
        },
        engine: engine.map(|engine| engine.id.as_str()),
        level: engine.map(|_| match event.decision.verdict {
            Verdict::Rewrite(Rewrite::Search { level, .. }) => level_name(level),
            _ => level_name(SearchLevel::Strict),
        }),
        spared: event.decision.spared,
        detector: match event.decision.cause {
            Cause::Detected(detector) => Some(detector.name()),
            _ => event.decision.noted.map(Detector::name),
        },
    };
    serde_json::to_writer(&mut *buffer, &line).expect("texts and numbers into memory");
    buffer.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::querylog::event::tests::event;

    #[test]
    fn a_line_tells_who_asked_what_and_why_it_ended_so() {
        let mut buffer = Vec::new();
        append(&event("ads.example.com", 1_736_942_400_123), &mut buffer);
        let expected = concat!(
            r#"{"time":"2025-01-15T12:00:00.123Z","client":"192.0.2.7","protocol":"udp","customer":5,"location":6,"#,
            r#""policy":7,"name":"ads.example.com","type":"A","rcode":"NOERROR","verdict":"blocked","took_us":12,"#,
            r#""step":6,"category":3}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(buffer).expect("text"), expected);
    }

    #[test]
    fn every_cause_is_told_and_can_be_read_back_in_words() {
        use crate::model::{EntryId, ListId, ListSourceId, LocalRecordId, PolicyId};
        let list = Cause::List { list: ListId::System, inherited: false, entry: EntryId(8), labels: 2 };
        for (cause, member, reason) in [
            (list, r#""entry":8"#, "list entry 8"),
            (Cause::Subscribed { list: ListSourceId(4), operator: false }, r#""list":4"#, "subscribed list 4"),
            (Cause::Record(LocalRecordId(3)), r#""record":3"#, "local record 3"),
            (Cause::Word(0), r#""word":0"#, "word 1"),
            (Cause::Hours, r#""cause":"schedule""#, "schedule"),
            (Cause::Paused, r#""cause":"pause""#, "pause"),
            (Cause::NotAllowed, r#""cause":"not_allowed""#, "not allowed"),
            (Cause::Address { rebinding: true }, r#""cause":"private_address""#, "private address"),
            (Cause::Address { rebinding: false }, r#""cause":"address""#, "address"),
            (Cause::Detected(Detector::LookAlike), r#""detector":"look_alike""#, "look alike"),
            (Cause::Unclassified, r#""step":7"#, "unclassified"),
            (Cause::Default { all: CategorySet::EMPTY }, r#""step":10"#, ""),
        ] {
            let mut event = event("ads.example.com", 0);
            event.decision = crate::policy::Decision::new(PolicyId(7), Verdict::Block, cause);
            let mut buffer = Vec::new();
            append(&event, &mut buffer);
            let line = String::from_utf8(buffer).expect("text");
            assert!(line.contains(member), "{line}");
            let read: crate::querylog::LoggedQuery<'_> = serde_json::from_str(&line).expect("a line");
            assert_eq!(read.reason(), reason, "{line}");
        }
    }
}
