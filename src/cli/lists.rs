//! `weir lists check`: what a subscription would make of a list.

use super::{ListsCheckArguments, fail, show};
use crate::{
    feeds::syntax::{ImportReport, ParseOptions, Sample, parse},
    model::{AddressTrigger, ClientTerm, Conditions, Effect, FixedAnswer, NameRule, Pattern, RecordData, Rule},
    wire::TypeName,
};
use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Checks lists one after the other; fails where one could not be read.
pub(super) fn check(arguments: &ListsCheckArguments) -> ExitCode {
    let options = ParseOptions {
        syntax: arguments.syntax,
        reach: arguments.reach.unwrap_or_default(),
        hosts: arguments.hosts,
        zone: arguments.zone.clone(),
        ..ParseOptions::default()
    };
    let mut code = ExitCode::SUCCESS;
    for path in &arguments.files {
        let started = Instant::now();
        match read(path, &options, arguments.dump) {
            Err(error) => code = fail(format!("{}: {error}", path.display())),
            Ok(_) if arguments.dump => {}
            Ok(report) if arguments.json => match serde_json::to_string(&report) {
                Ok(json) => show(json),
                Err(error) => code = fail(error),
            },
            Ok(report) => show(Checked { path, report, took: started.elapsed(), memory: resident_memory() }),
        }
    }
    code
}

fn read(path: &Path, options: &ParseOptions, dump: bool) -> Result<ImportReport, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let report = parse(file, options, &mut |rule| {
        if dump {
            // A reader that has gone away is no failure.
            let _ = writeln!(out, "{}", Shown(&rule));
        }
    });
    let _ = out.flush();
    report.map_err(|error| super::with_causes(&error))
}

/// The most memory this process ever held (`VmHWM` of proc(5)), octets.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// A list that was read.
struct Checked<'a> {
    path: &'a Path,
    report: ImportReport,
    took: Duration,
    memory: Option<u64>,
}

impl fmt::Display for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { path, report, took, memory } = self;
        let syntax = report.syntax.map_or_else(String::new, |syntax| format!("{syntax:?}").to_lowercase());
        writeln!(f, "{}: {syntax}", path.display())?;
        let texts = [
            ("title", &report.title),
            ("version", &report.version),
            ("changed", &report.last_modified),
            ("expires", &report.expires),
            ("home page", &report.homepage),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                writeln!(f, "  {name:<12}{text}")?;
            }
        }
        if let Some(zone) = &report.zone {
            writeln!(f, "  {:<12}{zone}", "zone")?;
        }
        if let Some(serial) = report.serial {
            writeln!(f, "  {:<12}{serial}", "serial")?;
        }
        let rules = &report.rules;
        write!(f, "  {:<12}{}", "rules", rules.total())?;
        if let Some(claimed) = report.claimed {
            write!(f, " ({claimed} by its header)")?;
        }
        let kinds = [
            ("names", rules.names),
            ("wildcards", rules.wildcards),
            ("regular expressions", rules.regexes),
            ("addresses", rules.addresses),
            ("name servers", rules.name_servers),
        ];
        let of_these = [
            ("exceptions", rules.exceptions),
            ("answers", rules.answers),
            ("important", rules.important),
            ("conditional", rules.conditional),
        ];
        writeln!(f, ": {}", joined(&kinds))?;
        if of_these.iter().any(|(_, count)| *count > 0) {
            writeln!(f, "  {:<12}{}", "of these", joined(&of_these))?;
        }
        let rest = [
            ("duplicates", report.duplicates),
            ("cancelled", report.cancelled),
            ("own names", report.own_names),
            ("disabled", report.disabled),
            ("URLs", report.urls_skipped),
            ("invalid", report.invalid),
        ];
        if rest.iter().any(|(_, count)| *count > 0) {
            writeln!(f, "  {:<12}{}", "left out", joined(&rest))?;
        }
        counts(f, "unsupported", &report.unsupported)?;
        counts(f, "warnings", &report.warnings)?;
        samples(f, &report.invalid_samples)?;
        samples(f, &report.url_samples)?;
        for source in &report.sources {
            writeln!(f, "  {:<12}{source}", "names list")?;
        }
        for (alias, name) in &report.aliases {
            writeln!(f, "  {:<12}{alias} is {name}", "alias")?;
        }
        write!(f, "  {:<12}{} lines, {} comments, ", "read", report.lines, report.comments)?;
        write!(f, "{} KiB in {:.2} s", report.octets >> 10, took.as_secs_f64())?;
        match memory {
            Some(octets) => write!(f, ", {} MiB of memory at the peak", octets >> 20),
            None => Ok(()),
        }
    }
}

fn joined(counts: &[(&str, u64)]) -> String {
    let some = counts.iter().filter(|(_, count)| *count > 0);
    some.map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

fn counts(f: &mut fmt::Formatter<'_>, title: &str, counts: &std::collections::BTreeMap<String, u64>) -> fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    let mut counts: Vec<(&str, u64)> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    writeln!(f, "  {title:<12}{}", joined(&counts))
}

fn samples(f: &mut fmt::Formatter<'_>, samples: &[Sample]) -> fmt::Result {
    for sample in samples {
        writeln!(f, "  line {:<7}{}: {}", sample.line, sample.reason, sample.text)?;
    }
    Ok(())
}

/// A rule in one line of words: effect, kind, what it matches, and its conditions.
struct Shown<'a>(&'a Rule);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rule::Name(rule) => named(f, "", rule),
            Rule::NameServer(rule) => named(f, "nameserver-", rule),
            Rule::Address(rule) => {
                let kind = match rule.trigger {
                    AddressTrigger::Client => "client",
                    AddressTrigger::Answer => "address",
                    AddressTrigger::NameServer => "nameserver-address",
                };
                write!(f, "{} {kind} {}", effect(&rule.effect), rule.net)
            }
        }
    }
}

fn named(f: &mut fmt::Formatter<'_>, prefix: &str, rule: &NameRule) -> fmt::Result {
    let (kind, text) = match &rule.pattern {
        Pattern::Exact(name) => ("exact", name.to_string()),
        Pattern::Suffix(name) => ("suffix", name.to_string()),
        Pattern::Below(name) => ("below", name.to_string()),
        Pattern::Wildcard(text) => ("wildcard", text.to_string()),
        Pattern::Regex(text) => ("regex", text.to_string()),
    };
    write!(f, "{} {prefix}{kind} {text}", effect(&rule.effect))?;
    if rule.important {
        f.write_str(" important")?;
    }
    match &rule.conditions {
        Some(conditions) => conditions_of(f, conditions),
        None => Ok(()),
    }
}

fn conditions_of(f: &mut fmt::Formatter<'_>, conditions: &Conditions) -> fmt::Result {
    let types = |types: &[u16]| types.iter().map(|rtype| TypeName(*rtype).to_string()).collect::<Vec<_>>().join("|");
    let clients = |clients: &[ClientTerm]| {
        let texts = clients.iter().map(|client| match client {
            ClientTerm::Net(net) => net.to_string(),
            ClientTerm::Name(name) => format!("{name:?}"),
        });
        texts.collect::<Vec<_>>().join("|")
    };
    let names = conditions.names_except.iter().map(ToString::to_string).collect::<Vec<_>>().join("|");
    let all = [
        ("types", types(&conditions.types)),
        ("not-types", types(&conditions.types_except)),
        ("not-names", names),
        ("clients", clients(&conditions.clients)),
        ("not-clients", clients(&conditions.clients_except)),
        ("tags", conditions.tags.join("|")),
        ("not-tags", conditions.tags_except.join("|")),
        ("invert", if conditions.invert { "yes".to_owned() } else { String::new() }),
    ];
    for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
        write!(f, " {name}={value}")?;
    }
    Ok(())
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Block => "block".to_owned(),
        Effect::Allow => "allow".to_owned(),
        Effect::NoAnswer => "no-answer".to_owned(),
        Effect::Answer(answer) => match &**answer {
            FixedAnswer::Records(records) => {
                format!("answer:{}", records.iter().map(record).collect::<Vec<_>>().join("+"))
            }
            FixedAnswer::Alias(name) => format!("answer:CNAME={name}"),
            FixedAnswer::AliasBelow(name) => format!("answer:CNAME=*.{name}"),
            answer => format!("answer:{}", format!("{answer:?}").to_lowercase()),
        },
    }
}

fn record(record: &RecordData) -> String {
    let mut text = format!("{}=", TypeName(record.rtype));
    for octet in &record.rdata {
        let _ = write!(text, "{octet:02x}");
    }
    text
}
