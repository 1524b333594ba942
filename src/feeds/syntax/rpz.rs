//! Response policy zones: the owner of a record is a trigger, its data an action.
//! <https://datatracker.ietf.org/doc/html/draft-vixie-dnsop-dns-rpz-00>
//!
//! Zones come as master files or by transfer; both give records to [`Zone`], which makes one rule of all
//! records of an owner.

use super::{
    ParseError,
    intake::Intake,
    master::{self, Item, Master},
    rewrite,
    unpack::Octets,
};
use crate::model::{
    AddressRule, AddressTrigger, DomainName, Effect, FixedAnswer, Name, NameRule, Pattern, RecordData, Rule,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const TXT: u16 = 16;
const DNAME: u16 = 39;
/// RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM, DS, ZONEMD.
const SIGNATURES: [u16; 7] = [46, 47, 48, 50, 51, 43, 63];
/// Records of one owner.
const RECORDS_MAX: usize = 100;

/// Reads a master file.
pub(super) fn read(octets: Octets<'_>, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    let mut zone = Zone::new(intake.options.zone.clone());
    let mut master = Master::default();
    // What relative names are below: the zone until `$ORIGIN` says otherwise.
    let mut origin = zone.name.clone();
    // The name of the zone is known by whoever wrote the options, by the SOA record, or by the last `$ORIGIN` before
    // the first record.
    let given = zone.name.is_some();
    let mut settled = given;
    intake.lines(octets.into_read(), |intake, number, line| match master.line(line) {
        Item::Nothing => {}
        Item::Comment => intake.comment(number, line.trim()),
        Item::Directive(name) => intake.report.unsupported(&name),
        Item::Invalid(reason) => intake.report.invalid(number, line, reason),
        Item::Origin(text) => match master::name(&text, origin.as_ref()) {
            Ok(name) => {
                if !settled && !name.as_name().is_root() {
                    zone.name = Some(name.clone());
                }
                origin = Some(name);
            }
            Err(reason) => intake.report.invalid(number, line, reason),
        },
        Item::Record(entry) => {
            let owner = match master::name(&entry.owner, origin.as_ref()) {
                Ok(owner) => owner,
                Err(reason) => return intake.report.invalid(number, line, reason),
            };
            let place = Place { line: number, text: line };
            if entry.rtype == SOA {
                // The owner of the SOA record is the zone (RFC 1035, section 5.2).
                if !given && !owner.as_name().is_root() {
                    origin.get_or_insert_with(|| owner.clone());
                    zone.name = Some(owner);
                }
                settled = true;
                intake.report.serial = entry.rdata.get(2).and_then(|serial| serial.parse().ok());
                return;
            }
            let data = match data(entry.rtype, &entry.rdata, origin.as_ref()) {
                Some(data) => data,
                None => return intake.report.invalid(number, line, "this is no data of the record's type"),
            };
            settled = true;
            zone.record(intake, place, &owner, data);
            if intake.is_watched() {
                // Who watches wants to see the rule at its line; what the owner has besides is no concern.
                zone.end(intake);
            }
        }
    })?;
    if master.is_open() {
        intake.report.invalid(intake.report.lines, "", "a parenthesis is not closed");
    }
    zone.end(intake);
    intake.report.zone = zone.name;
    Ok(())
}

/// Data of a record from its words.
fn data(rtype: u16, words: &[String], origin: Option<&DomainName>) -> Option<RecordData> {
    let rdata = match (rtype, words) {
        (CNAME, [target]) => {
            // Special targets are often written without their last dot.
            let special = ["rpz-passthru", "rpz-drop", "rpz-tcp-only", "*"];
            let relative = special.iter().all(|special| !special.eq_ignore_ascii_case(target));
            let target = master::name(target, origin.filter(|_| relative)).ok()?;
            Box::from(target.as_wire())
        }
        (TXT, words) => master::strings(words)?,
        (rtype, _) if rtype == NS || rtype == DNAME || SIGNATURES.contains(&rtype) => Box::default(),
        (rtype, words) => return rewrite::record(rtype, &words.join(" ")).ok(),
    };
    Some(RecordData { rtype, rdata })
}

/// Where a record stands, for samples.
#[derive(Clone, Copy)]
pub(super) struct Place<'t> {
    pub(super) line: u64,
    pub(super) text: &'t str,
}

/// A zone that is being read.
pub(super) struct Zone {
    name: Option<DomainName>,
    pending: Option<Pending>,
}

/// An owner and its records so far.
struct Pending {
    trigger: DomainName,
    line: u64,
    text: String,
    records: Vec<RecordData>,
}

impl Zone {
    pub(super) fn new(name: Option<DomainName>) -> Self {
        Zone { name, pending: None }
    }

    /// Takes a record; its names are absolute.
    pub(super) fn record(&mut self, intake: &mut Intake<'_>, place: Place<'_>, owner: &DomainName, data: RecordData) {
        let trigger = match &self.name {
            None => owner.clone(),
            Some(zone) => match relative(owner.as_name(), zone.as_name()) {
                Some(trigger) => trigger,
                None => return intake.report.invalid(place.line, place.text, "the record is not of the zone"),
            },
        };
        if trigger.as_name().is_root() {
            // NS and others of the apex say nothing about names.
            return;
        }
        if data.rtype == NS || data.rtype == DNAME {
            let name = if data.rtype == NS { "NS below the apex" } else { "DNAME" };
            return intake.report.unsupported(name);
        }
        if SIGNATURES.contains(&data.rtype) {
            return intake.report.unsupported("DNSSEC records");
        }
        match &mut self.pending {
            Some(pending) if pending.trigger == trigger => {
                if pending.records.len() < RECORDS_MAX {
                    pending.records.push(data);
                } else {
                    intake.report.unsupported("more than 100 records of a name");
                }
            }
            _ => {
                self.end(intake);
                let text = place.text.chars().take(200).collect();
                self.pending = Some(Pending { trigger, line: place.line, text, records: vec![data] });
            }
        }
    }

    /// Makes a rule of the last owner.
    pub(super) fn end(&mut self, intake: &mut Intake<'_>) {
        let Some(Pending { trigger, line, text, records }) = self.pending.take() else { return };
        let effect = effect(&trigger, records);
        match rule(&trigger, effect) {
            Ok((rule, masked)) => {
                if masked {
                    intake.report.warn("host bits of a network were set");
                }
                intake.rule(rule);
            }
            Err(reason) => intake.report.invalid(line, &text, reason),
        }
    }
}

/// A name without the zone it is in.
fn relative(owner: Name<'_>, zone: Name<'_>) -> Option<DomainName> {
    if !owner.is_at_or_below(zone) {
        return None;
    }
    let own = &owner.as_wire()[..owner.as_wire().len() - zone.as_wire().len()];
    DomainName::from_wire(&[own, &[0]].concat()).ok()
}

/// The action of all records of an owner; a CNAME wins over the rest.
fn effect(trigger: &DomainName, records: Vec<RecordData>) -> Effect {
    let target = records.iter().find(|record| record.rtype == CNAME);
    let Some(target) = target.and_then(|record| DomainName::from_wire(&record.rdata).ok()) else {
        return Effect::Answer(Box::new(FixedAnswer::Records(records)));
    };
    let answer = match target.as_wire() {
        b"\x00" => FixedAnswer::NxDomain,
        b"\x01*\x00" => FixedAnswer::NoData,
        b"\x0crpz-passthru\x00" => return Effect::Allow,
        b"\x08rpz-drop\x00" => FixedAnswer::Drop,
        b"\x0crpz-tcp-only\x00" => FixedAnswer::Truncate,
        // The old form of rpz-passthru.
        wire if wire == trigger.as_wire() => return Effect::Allow,
        [1, b'*', below @ ..] => match DomainName::from_wire(below) {
            Ok(below) => FixedAnswer::AliasBelow(below),
            Err(_) => FixedAnswer::NoData,
        },
        _ => FixedAnswer::Alias(target),
    };
    Effect::Answer(Box::new(answer))
}

/// The rule of a trigger, and whether host bits of its network were cut off.
fn rule(trigger: &DomainName, effect: Effect) -> Result<(Rule, bool), &'static str> {
    let labels: Vec<&[u8]> = trigger.as_name().labels().collect();
    let (kind, rest) = labels.split_last().ok_or("the trigger is empty")?;
    let address = match *kind {
        b"rpz-client-ip" => Some(AddressTrigger::Client),
        b"rpz-ip" => Some(AddressTrigger::Answer),
        b"rpz-nsip" => Some(AddressTrigger::NameServer),
        _ => None,
    };
    if let Some(trigger) = address {
        let net = net(rest).ok_or("the trigger is no network")?;
        return Ok((Rule::Address(AddressRule { trigger, net: net.trunc(), effect }), net.trunc() != net));
    }
    if kind == b"rpz-nsdname" {
        let zone = DomainName::from_wire(b"\x0brpz-nsdname\x00").map_err(|_| "the trigger is no name")?;
        let name = relative(trigger.as_name(), zone.as_name()).ok_or("the trigger is no name")?;
        return Ok((Rule::NameServer(NameRule::plain(pattern(&name)?, effect)), false));
    }
    Ok((Rule::Name(NameRule::plain(pattern(trigger)?, effect)), false))
}

/// `name` and `*.name`.
fn pattern(name: &DomainName) -> Result<Pattern, &'static str> {
    let below = name.as_wire().strip_prefix(b"\x01*").map(DomainName::from_wire);
    let (name, is_below) = match below {
        Some(below) => (below.map_err(|_| "the trigger is no name")?, true),
        None => (name.clone(), false),
    };
    if name.as_name().is_root() {
        return Err("the rule is too wide");
    }
    if name.as_name().labels().any(|label| label.contains(&b'*')) {
        return Err("the name has a wildcard inside");
    }
    Ok(if is_below { Pattern::Below(name) } else { Pattern::Exact(name) })
}

/// `prefix.reversed address`: four decimal labels, or up to eight hexadecimal ones with `zz` for `::`.
fn net(labels: &[&[u8]]) -> Option<IpNet> {
    let texts: Option<Vec<&str>> = labels.iter().map(|label| std::str::from_utf8(label).ok()).collect();
    let texts = texts?;
    let (prefix, words) = texts.split_first()?;
    let prefix: u8 = prefix.parse().ok()?;
    if words.len() == 4 && !words.contains(&"zz") {
        let octets: Option<Vec<u8>> = words.iter().rev().map(|word| word.parse().ok()).collect();
        let octets: [u8; 4] = octets?.try_into().ok()?;
        return Some(IpNet::V4(Ipv4Net::new(Ipv4Addr::from(octets), prefix).ok()?));
    }
    let mut segments = [0u16; 8];
    let gap = words.iter().rev().position(|word| *word == "zz");
    let given: Option<Vec<u16>> =
        words.iter().rev().filter(|word| **word != "zz").map(|word| u16::from_str_radix(word, 16).ok()).collect();
    let given = given?;
    match gap {
        None if given.len() == 8 => segments.copy_from_slice(&given),
        Some(gap) if given.len() < 8 && words.len() == given.len() + 1 => {
            segments[..gap].copy_from_slice(&given[..gap]);
            let after = given.len() - gap;
            segments[8 - after..].copy_from_slice(&given[gap..]);
        }
        _ => return None,
    }
    Some(IpNet::V6(Ipv6Net::new(Ipv6Addr::from(segments), prefix).ok()?))
}
