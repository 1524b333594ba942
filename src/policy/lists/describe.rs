//! Rules as people write them: in the Adblock syntax for DNS, which has a word for nearly everything.

use super::{
    rules::{AT, Act, BELOW, Loose},
    table::{ListHit, ListTable, What},
};
use crate::{
    model::{AddressTrigger, ClientTerm, Conditions, FixedAnswer, Name, RecordData, ZoneOverride},
    policy::Suffixes,
    wire::type_name,
};
use std::{
    fmt::Display,
    net::{Ipv4Addr, Ipv6Addr},
};

impl ListTable {
    /// The rule of a hit as text, for people; `suffixes` is the name that was looked up. The list may have had it in another
    /// syntax.
    pub fn describe(&self, hit: ListHit, suffixes: &Suffixes<'_>) -> String {
        let slot = &self.slots()[usize::from(hit.slot)];
        let rules = &slot.rules;
        let (mut text, consequence) = match hit.what {
            What::Name { labels, consequence, .. } => {
                let name = suffixes.ancestor(usize::from(labels).min(suffixes.label_count()));
                let consequence = rules.consequence(consequence);
                (at_name(name, consequence.reach), Some(consequence))
            }
            What::Loose(rule) => {
                let rule = &rules.written.loose[rule as usize];
                let text = match &rule.pattern {
                    Loose::Wildcard(text) => text.to_string(),
                    Loose::Regex(text) => format!("/{text}/"),
                    Loose::Exact(name) => at_name(name.as_name(), AT),
                    Loose::Suffix(name) => at_name(name.as_name(), AT | BELOW),
                    Loose::Below(name) => at_name(name.as_name(), BELOW),
                };
                (text, Some(rules.consequence(rule.consequence)))
            }
            What::Net(rule) => {
                let rule = &rules.written.nets[rule as usize];
                let whose = match rule.trigger {
                    AddressTrigger::Client => "client",
                    AddressTrigger::Answer => "answer",
                    AddressTrigger::NameServer => "name server",
                };
                (format!("{} ({whose})", rule.net), None)
            }
        };
        let mut modifiers = Vec::new();
        if hit.important {
            modifiers.push("important".to_owned());
        }
        if let Some(conditions) = consequence.and_then(|consequence| rules.conditions(consequence)) {
            say_conditions(conditions, &mut modifiers);
        }
        match self.act(hit) {
            Act::Block => {}
            Act::Allow => text.insert_str(0, "@@"),
            Act::NoAnswer => {
                text.insert_str(0, "@@");
                modifiers.push("dnsrewrite".to_owned());
            }
            Act::Answer(number) => {
                let answer = rules.written.answers.get(number as usize);
                modifiers.extend(answer.map(|answer| format!("dnsrewrite={}", say_answer(answer))));
            }
        }
        if let Some(instead) = slot.zone_override() {
            modifiers.push(format!("override={}", say_override(instead)));
        }
        if !modifiers.is_empty() {
            text.push('$');
            text.push_str(&modifiers.join(","));
        }
        if let What::Name { servers: true, .. } = hit.what {
            text.push_str(" (name server)");
        }
        if let What::Loose(rule) = hit.what
            && rules.written.loose[rule as usize].servers
        {
            text.push_str(" (name server)");
        }
        text
    }
}

fn at_name(name: Name<'_>, reach: u8) -> String {
    match reach {
        AT => format!("|{name}^"),
        BELOW => format!("*.{name}^"),
        _ => format!("||{name}^"),
    }
}

fn say_conditions(conditions: &Conditions, modifiers: &mut Vec<String>) {
    let mut say = |word: &str, only: Vec<String>, except: Vec<String>| {
        if !only.is_empty() || !except.is_empty() {
            let except = except.into_iter().map(|value| format!("~{value}"));
            modifiers.push(format!("{word}={}", only.into_iter().chain(except).collect::<Vec<_>>().join("|")));
        }
    };
    let types = |types: &[u16]| types.iter().map(|number| type_name(*number).to_string()).collect();
    say("dnstype", types(&conditions.types), types(&conditions.types_except));
    say("denyallow", texts(&conditions.names_except), Vec::new());
    let clients = |terms: &[ClientTerm]| {
        let term = |term: &ClientTerm| match term {
            ClientTerm::Net(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
            ClientTerm::Net(net) => net.to_string(),
            ClientTerm::Name(name) => format!("'{name}'"),
        };
        terms.iter().map(term).collect()
    };
    say("client", clients(&conditions.clients), clients(&conditions.clients_except));
    say("ctag", texts(&conditions.tags), texts(&conditions.tags_except));
    if conditions.invert {
        modifiers.push("invert".to_owned());
    }
}

fn texts(values: &[impl Display]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn say_answer(answer: &FixedAnswer) -> String {
    match answer {
        FixedAnswer::Null => "0.0.0.0".to_owned(),
        FixedAnswer::NxDomain => "NXDOMAIN".to_owned(),
        FixedAnswer::NoData => "NOERROR".to_owned(),
        FixedAnswer::Refused => "REFUSED".to_owned(),
        FixedAnswer::ServFail => "SERVFAIL".to_owned(),
        FixedAnswer::Drop => "drop".to_owned(),
        FixedAnswer::Truncate => "tcp-only".to_owned(),
        FixedAnswer::Records(records) => records.iter().map(say_record).collect::<Vec<_>>().join(" "),
        FixedAnswer::Alias(name) => name.to_string(),
        FixedAnswer::AliasBelow(name) => format!("*.{name}"),
    }
}

fn say_record(record: &RecordData) -> String {
    if let (1, Ok(octets)) = (record.rtype, <[u8; 4]>::try_from(&*record.rdata)) {
        return Ipv4Addr::from(octets).to_string();
    }
    if let (28, Ok(octets)) = (record.rtype, <[u8; 16]>::try_from(&*record.rdata)) {
        return Ipv6Addr::from(octets).to_string();
    }
    type_name(record.rtype).to_string()
}

fn say_override(instead: ZoneOverride) -> &'static str {
    match instead {
        ZoneOverride::Disabled => "disabled",
        ZoneOverride::Passthru => "passthru",
        ZoneOverride::NxDomain => "nxdomain",
        ZoneOverride::NoData => "nodata",
        ZoneOverride::Drop => "drop",
        ZoneOverride::Block => "block",
    }
}
