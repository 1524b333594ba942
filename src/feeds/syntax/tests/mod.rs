//! Lists to rules, as tables.

mod bounds;
mod exports;
mod lines;
mod resolvers;

use super::*;
use crate::model::{AddressTrigger, ClientTerm, Effect, FixedAnswer, NameRule, Pattern};

/// A rule in words.
fn shown(rule: &Rule) -> String {
    let effect = |effect: &Effect| match effect {
        Effect::Block => "block".to_owned(),
        Effect::Allow => "allow".to_owned(),
        Effect::NoAnswer => "no answer".to_owned(),
        Effect::Answer(answer) => match &**answer {
            FixedAnswer::Records(records) => {
                let texts = records.iter().map(|record| match (record.rtype, &record.rdata[..]) {
                    (1, &[a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
                    (28, octets) => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(octets).expect("16")).to_string(),
                    (rtype, octets) => format!("{rtype}:{}", octets.escape_ascii()),
                });
                format!("answer {}", texts.collect::<Vec<_>>().join("+"))
            }
            answer => format!("answer {answer:?}"),
        },
    };
    let name = |rule: &NameRule| {
        let pattern = match &rule.pattern {
            Pattern::Exact(name) => format!("exact {name}"),
            Pattern::Suffix(name) => format!("suffix {name}"),
            Pattern::Below(name) => format!("below {name}"),
            Pattern::Wildcard(text) => format!("wildcard {text}"),
            Pattern::Regex(text) => format!("regex {text}"),
        };
        let mut text = format!("{} {pattern}", effect(&rule.effect));
        if rule.important {
            text.push_str(" important");
        }
        if let Some(conditions) = &rule.conditions {
            let clients = |clients: &[ClientTerm]| {
                let texts = clients.iter().map(|client| match client {
                    ClientTerm::Net(net) => net.to_string(),
                    ClientTerm::Name(name) => name.to_string(),
                });
                texts.collect::<Vec<_>>()
            };
            for (title, values) in [
                ("types", conditions.types.iter().map(u16::to_string).collect::<Vec<_>>()),
                ("not-types", conditions.types_except.iter().map(u16::to_string).collect()),
                ("not-names", conditions.names_except.iter().map(ToString::to_string).collect()),
                ("clients", clients(&conditions.clients)),
                ("not-clients", clients(&conditions.clients_except)),
                ("tags", conditions.tags.iter().map(ToString::to_string).collect()),
                ("not-tags", conditions.tags_except.iter().map(ToString::to_string).collect()),
            ] {
                if !values.is_empty() {
                    text.push_str(&format!(" {title}={}", values.join(",")));
                }
            }
            if conditions.invert {
                text.push_str(" invert");
            }
        }
        text
    };
    match rule {
        Rule::Name(rule) => name(rule),
        Rule::NameServer(rule) => format!("ns {}", name(rule)),
        Rule::Address(rule) => {
            let trigger = match rule.trigger {
                AddressTrigger::Client => "client",
                AddressTrigger::Answer => "net",
                AddressTrigger::NameServer => "ns-net",
            };
            format!("{} {trigger} {}", effect(&rule.effect), rule.net)
        }
    }
}

fn options(syntax: Option<ListSyntax>) -> ParseOptions {
    ParseOptions { syntax, ..ParseOptions::default() }
}

/// The rules of a list in words, and the report.
fn read(list: &[u8], options: &ParseOptions) -> (Vec<String>, ImportReport) {
    let mut rules = Vec::new();
    let report = parse(list, options, &mut |rule| rules.push(shown(&rule))).expect("a list");
    assert_eq!(report.rules.total(), rules.len() as u64);
    (rules, report)
}

/// What the report says of lines that gave no rule.
fn left_out(report: &ImportReport) -> Vec<String> {
    let mut all: Vec<String> =
        report.unsupported.iter().map(|(name, count)| format!("{count} unsupported: {name}")).collect();
    all.extend(report.invalid_samples.iter().map(|sample| format!("invalid: {}", sample.reason)));
    for (name, count) in [
        ("own", report.own_names),
        ("url", report.urls_skipped),
        ("disabled", report.disabled),
        ("cancelled", report.cancelled),
    ] {
        if count > 0 {
            all.push(format!("{count} {name}"));
        }
    }
    all
}

/// Every line alone gives these rules, or says why not.
fn table(options: &ParseOptions, rows: &[(&str, &[&str])]) {
    for (list, expected) in rows {
        let (mut rules, report) = read(list.as_bytes(), options);
        rules.extend(left_out(&report));
        assert_eq!(rules, *expected, "{list}");
    }
}
