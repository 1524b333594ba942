//! Every syntax of lists, down to rules.
//!
//! [`parse`] unpacks the octets (`unpack`, `unzip`), finds out the syntax if nobody said it (`detect`), cuts lines
//! (`lines`) and hands each to its syntax: `plain` for hosts files, names, Adblock (`adblock`, `modifiers`,
//! `rewrite`) and regular expressions (`regexes`), which may stand side by side in one file; `dnsmasq`,
//! `unbound`, `rpz` (on top of `master`, which reads master files), `csv`, `json`, `yaml`; `archive` reads
//! UT1 collections. All of them give what they find to the `Intake`, which drops
//! duplicates, counts, keeps within the bounds, and cancels what `$badfilter` cancels. `names` has the rules
//! that all syntaxes share for names and addresses, `report` is what comes out besides rules.
//!
//! A bare name of a list gives [`Effect::Block`](crate::model::Effect::Block), whatever the list is for: that
//! the names of a list let through is known to its [`ListKind`](crate::model::ListKind), not to its text.

mod adblock;
mod archive;
mod csv;
mod detect;
mod dnsmasq;
mod intake;
mod json;
mod lines;
mod master;
mod modifiers;
mod names;
mod plain;
mod regexes;
mod report;
mod rewrite;
mod rpz;
#[cfg(test)]
mod tests;
mod unbound;
mod unpack;
mod unzip;
mod yaml;

pub use archive::{ArchiveCategory, categories};
pub use intake::{Seen, Watch};
pub use regexes::REGEX_OCTETS_MAX;
pub use report::{ImportReport, RuleCounts, Sample};
pub(in crate::feeds) use rewrite::wire as rdata_wire;

use crate::model::{DomainName, HostsMeaning, ListSyntax, NameReach, RecordData, Rule};
use intake::Intake;
use std::io::{self, Read};

/// How a list is read, and how much of it at most.
#[derive(Clone, Debug)]
pub struct ParseOptions {
    /// How it is written; `None`: found out from its beginning.
    pub syntax: Option<ListSyntax>,
    /// What a bare name stands for.
    pub reach: NameReach,
    /// What an address other than a null or loopback address in a hosts file means.
    pub hosts: HostsMeaning,
    /// Name of the zone, for response policy zones; `None`: from `$ORIGIN` or the owner of the SOA record.
    pub zone: Option<DomainName>,
    /// Most lines.
    pub lines_max: u64,
    /// Most rules, duplicates not counted.
    pub rules_max: u64,
    /// Most octets, unpacked.
    pub octets_max: u64,
}

impl ParseOptions {
    /// Lines that a list may have unless told otherwise.
    pub const LINES_MAX: u64 = 20_000_000;
    /// Rules that a list may have unless told otherwise.
    pub const RULES_MAX: u64 = 10_000_000;
    /// Octets that a list may unpack to unless told otherwise.
    pub const OCTETS_MAX: u64 = 256 << 20;
}

impl Default for ParseOptions {
    fn default() -> Self {
        ParseOptions {
            syntax: None,
            reach: NameReach::BySyntax,
            hosts: HostsMeaning::Block,
            zone: None,
            lines_max: Self::LINES_MAX,
            rules_max: Self::RULES_MAX,
            octets_max: Self::OCTETS_MAX,
        }
    }
}

/// Why a list was not taken. What the sink got before is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// It could not be read or unpacked to its end.
    #[error("the list cannot be read: {0}")]
    Read(#[source] io::Error),
    /// It is larger than allowed, unpacked.
    #[error("the list is larger than {0} octets")]
    TooLarge(u64),
    /// It has more lines than allowed.
    #[error("the list has more than {0} lines")]
    TooManyLines(u64),
    /// It has more rules than allowed.
    #[error("the list has more than {0} rules")]
    TooManyRules(u64),
    /// It is something else: a web page, a picture, a document that breaks its own syntax.
    #[error("this is no list: {0}")]
    NotAList(String),
    /// Who watched has seen enough; no failure of the list.
    #[error("reading was stopped")]
    Stopped,
}

impl From<io::Error> for ParseError {
    fn from(error: io::Error) -> Self {
        match unpack::bound_reached(&error) {
            Some(octets_max) => ParseError::TooLarge(octets_max),
            None => ParseError::Read(error),
        }
    }
}

/// Reads a list, packed (gzip, zstd, xz, zip) or not, and gives its rules to the sink in their order, without
/// duplicates; those of Adblock lists at the end, because any line may cancel one before it.
///
/// Fails where the list could not be read to its end within the bounds; a line that is not understood is
/// no failure, but told in the report.
pub fn parse(
    octets: impl Read,
    options: &ParseOptions,
    sink: &mut dyn FnMut(Rule),
) -> Result<ImportReport, ParseError> {
    let mut octets = unpack::open(octets, options.octets_max)?;
    let (syntax, archived) = begin(&mut octets, options)?;
    let mut intake = Intake::new(syntax, options, sink);
    read(octets, archived, &mut intake)?;
    intake.finish()
}

/// Reads a list to let somebody see its rules and the lines they come from, in their order, duplicates and what other
/// lines cancel included. Nothing is kept, so it takes no memory to speak of, but for JSON and YAML. Says whether it was
/// read to its end; else the watch stopped it. Fails as [`parse`] does.
pub fn watch<'w>(octets: impl Read, options: &'w ParseOptions, watch: &'w mut Watch<'w>) -> Result<bool, ParseError> {
    let mut octets = unpack::open(octets, options.octets_max)?;
    let (syntax, archived) = begin(&mut octets, options)?;
    let mut nothing = |_| ();
    let mut intake = Intake::watched(syntax, options, &mut nothing, watch);
    match read(octets, archived, &mut intake) {
        Ok(()) => Ok(true),
        Err(ParseError::Stopped) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How a list is written, and whether it is an archive.
fn begin(octets: &mut unpack::Octets<'_>, options: &ParseOptions) -> Result<(ListSyntax, bool), ParseError> {
    let start = octets.start()?;
    let syntax = match options.syntax {
        Some(syntax) => syntax,
        None => detect::syntax(start)?,
    };
    detect::refuse_other_files(start, syntax)?;
    Ok((syntax, detect::is_tar(start)))
}

fn read(octets: unpack::Octets<'_>, archived: bool, intake: &mut Intake<'_>) -> Result<(), ParseError> {
    match intake.syntax {
        ListSyntax::Hosts | ListSyntax::Domains | ListSyntax::Adblock | ListSyntax::Regex => {
            plain::read(octets, intake)
        }
        ListSyntax::Dnsmasq => dnsmasq::read(octets, intake),
        ListSyntax::Unbound => unbound::read(octets, intake),
        ListSyntax::Rpz => rpz::read(octets, intake),
        ListSyntax::Ut1 if archived => archive::read(octets, intake),
        ListSyntax::Ut1 => plain::read(octets, intake),
        ListSyntax::Csv => csv::read(octets, intake),
        ListSyntax::Json => json::read(octets, intake),
        ListSyntax::Yaml => yaml::read(octets, intake),
    }
}

/// Gives the rules of a response policy zone whose records are there already, as after a transfer: owners are
/// absolute, and records of one owner stand together. Fails only where there are more rules than allowed.
pub fn zone<'r>(
    name: &DomainName,
    serial: u32,
    records: impl Iterator<Item = (&'r DomainName, &'r RecordData)>,
    options: &ParseOptions,
    sink: &mut dyn FnMut(Rule),
) -> Result<ImportReport, ParseError> {
    let mut intake = Intake::new(ListSyntax::Rpz, options, sink);
    intake.report.serial = Some(serial);
    intake.report.zone = Some(name.clone());
    let mut zone = rpz::Zone::new(Some(name.clone()));
    for (owner, data) in records {
        intake.report.lines += 1;
        intake.report.octets += (owner.as_wire().len() + data.rdata.len()) as u64;
        let text = owner.to_string();
        let place = rpz::Place { line: intake.report.lines, text: &text };
        zone.record(&mut intake, place, owner, data.clone());
        intake.check_bounds()?;
    }
    zone.end(&mut intake);
    intake.finish()
}
