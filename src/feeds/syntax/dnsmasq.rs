//! dnsmasq's configuration: `address`, `server` and `local` with names, and `bogus-nxdomain`.
//! <https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html>
//!
//! A name stands for itself and everything below it. No address and a null address are how such lists say
//! that a name is blocked, so these are blocks; how a block looks is the policy's to say.

use super::{
    ParseError,
    intake::Intake,
    names::{self, Word},
    unpack::Octets,
};
use crate::model::{AddressRule, AddressTrigger, Effect, FixedAnswer, NameReach, Pattern, Rule};

/// Reads a configuration.
pub(super) fn read(octets: Octets<'_>, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    intake.lines(octets.into_read(), line)
}

fn line(intake: &mut Intake<'_>, number: u64, line: &str) {
    let text = line.trim();
    if text.is_empty() {
        return;
    }
    if text.starts_with('#') {
        return intake.comment(number, text);
    }
    // `#` at the end of an address is a value; a comment has a blank before it.
    let text = text.find(" #").or_else(|| text.find("\t#")).map_or(text, |at| text[..at].trim_end());
    let (option, value) = text.split_once('=').unwrap_or((text, ""));
    let (option, value) = (option.trim().trim_start_matches("--"), value.trim());
    match option {
        "address" | "server" | "local" => match value.strip_prefix('/').and_then(|value| value.rsplit_once('/')) {
            Some((names, target)) => rules(intake, number, text, option, names, target.trim()),
            None => intake.report.unsupported(&format!("{option} without names")),
        },
        "bogus-nxdomain" => match names::net(value) {
            Some(net) => intake.rule(Rule::Address(AddressRule {
                trigger: AddressTrigger::Answer,
                net,
                effect: Effect::Answer(Box::new(FixedAnswer::NxDomain)),
            })),
            None => intake.report.invalid(number, text, "this is no address"),
        },
        _ if value.is_empty() && text.contains(char::is_whitespace) => {
            intake.report.invalid(number, text, "this is no option of dnsmasq");
        }
        option => intake.report.unsupported(option),
    }
}

fn rules(intake: &mut Intake<'_>, number: u64, line: &str, option: &str, names: &str, target: &str) {
    let effect = match (option, target) {
        (_, "") | ("address", "#") => Effect::Block,
        // The servers used anyway: an exception from a rule about a name above.
        (_, "#") => Effect::Allow,
        ("address", target) => match names::ip(target) {
            Some(ip) if names::is_null(ip) => Effect::Block,
            Some(ip) => Effect::Answer(Box::new(FixedAnswer::Records(vec![names::address_data(ip)]))),
            None => return intake.report.invalid(number, line, "this is no address"),
        },
        _ => return intake.report.unsupported("server with an address"),
    };
    for name in names.split('/').map(str::trim) {
        match name.strip_prefix("*.") {
            _ if name.is_empty() || name == "#" => intake.report.invalid(number, line, "the rule is too wide"),
            Some(below) => match names::word(below, true) {
                Word::Name(below) => intake.plain(Pattern::Below(below), effect.clone()),
                word => intake.word(number, line, word, NameReach::Suffix, effect.clone()),
            },
            None => intake.word(number, line, names::word(name, true), NameReach::Suffix, effect.clone()),
        }
    }
}
