//! What can be asked of the program.

use crate::{
    model::{DomainName, HostsMeaning, ListSyntax, NameReach},
    wire::{TypeName, parse_type},
};
use clap::{Args, Parser, Subcommand};
use std::{net::IpAddr, path::PathBuf};

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 not understood.";

/// A DNS resolver that filters every query by the policy of whoever asks.
#[derive(Clone, Debug, Parser)]
#[command(name = "weir", version, about, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do; without it, `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// For `serve` without its name.
    #[command(flatten)]
    pub serve: ServeArguments,
}

/// One thing the program does.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Answer queries and serve the API, until SIGTERM [without a command: this]
    #[command(after_help = EXIT_CODES)]
    Serve(ServeArguments),
    /// Report everything that is wrong with a configuration, without starting anything
    #[command(after_help = EXIT_CODES)]
    Check {
        /// The file; without it, the defaults with the environment's overrides
        file: Option<PathBuf>,
    },
    /// Build category indexes and look into them
    #[command(subcommand)]
    Category(CategoryCommand),
    /// Ask the running daemon what a client's query would get, and why
    #[command(after_help = EXIT_CODES)]
    Explain(ExplainArguments),
    /// Save everything a node knows, or bring it back
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Check the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look into lists as subscriptions read them
    #[command(subcommand)]
    Lists(ListsCommand),
    /// Print the version
    Version,
}

/// How the daemon is started.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArguments {
    /// The configuration; without it, built-in defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of the node's data, instead of the configured one
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Work on category indexes.
#[derive(Clone, Debug, Subcommand)]
pub enum CategoryCommand {
    /// Make an index from lists: files or folders of `name.txt`, `.gz`, `.zst` or `.tar.gz`
    #[command(after_help = EXIT_CODES)]
    Build {
        /// The index to write; one in use is replaced at once
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Lists, named after their categories, and folders of them
        #[arg(required = true, value_name = "SOURCE")]
        sources: Vec<PathBuf>,
    },
    /// Show the categories of names
    #[command(after_help = EXIT_CODES)]
    Lookup {
        /// The index
        file: PathBuf,
        /// The names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Show what an index holds
    #[command(after_help = EXIT_CODES)]
    Stats {
        /// The index
        file: PathBuf,
    },
}

/// A query to explain.
#[derive(Args, Clone, Debug)]
pub struct ExplainArguments {
    /// The address the query would come from
    #[arg(long, value_name = "ADDR")]
    pub client: IpAddr,
    /// The name asked for
    #[arg(value_name = "NAME", value_parser = parse_name)]
    pub name: DomainName,
    /// The type asked for, such as A, AAAA or TYPE65
    #[arg(value_name = "TYPE", default_value = "A", value_parser = parse_qtype)]
    pub qtype: TypeName,
    /// The daemon's configuration; without it, built-in defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of the daemon's data, instead of the configured one
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print what the daemon says as JSON
    #[arg(long)]
    pub json: bool,
}

/// Work on backups.
#[derive(Clone, Debug, Subcommand)]
pub enum BackupCommand {
    /// Write all rows to a file
    #[command(after_help = EXIT_CODES)]
    Export {
        /// The file to write
        file: PathBuf,
        /// Which node
        #[command(flatten)]
        node: ServeArguments,
    },
    /// Bring the rows of a file back; the daemon must not be running
    #[command(after_help = EXIT_CODES)]
    Import {
        /// The file to read
        file: PathBuf,
        /// Put a database that is there aside instead of refusing
        #[arg(long)]
        replace: bool,
        /// Which node
        #[command(flatten)]
        node: ServeArguments,
    },
}

/// Work on the audit trail.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no entry of the trail was changed, taken out or put in afterwards
    #[command(after_help = EXIT_CODES)]
    Verify {
        /// Which node
        #[command(flatten)]
        node: ServeArguments,
    },
}

/// Work on lists.
#[derive(Clone, Debug, Subcommand)]
pub enum ListsCommand {
    /// Read lists and say what of them is understood and what is not
    #[command(after_help = EXIT_CODES)]
    Check(ListsCheckArguments),
}

/// Lists to check.
#[derive(Args, Clone, Debug)]
pub struct ListsCheckArguments {
    /// The lists, packed with gzip, zstd, xz or zip, or not
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How they are written; without it, found out from their first lines
    #[arg(long, value_name = "SYNTAX", value_parser = parse_syntax)]
    pub syntax: Option<ListSyntax>,
    /// What a bare name stands for: itself alone (exact), or what is below it as well (suffix); without it, what
    /// the syntax says
    #[arg(long, value_name = "REACH", value_parser = parse_reach)]
    pub reach: Option<NameReach>,
    /// What an address in a hosts file means that is no null address: block, record or skip
    #[arg(long, value_name = "MEANING", default_value = "block", value_parser = parse_hosts)]
    pub hosts: HostsMeaning,
    /// Name of the zone, for response policy zones that do not say it
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub zone: Option<DomainName>,
    /// Print every rule instead of the report
    #[arg(long)]
    pub dump: bool,
    /// Print the report as JSON, a line for each list
    #[arg(long, conflicts_with = "dump")]
    pub json: bool,
}

fn parse_syntax(text: &str) -> Result<ListSyntax, String> {
    Ok(match text {
        "hosts" => ListSyntax::Hosts,
        "domains" => ListSyntax::Domains,
        "adblock" => ListSyntax::Adblock,
        "regex" => ListSyntax::Regex,
        "dnsmasq" => ListSyntax::Dnsmasq,
        "unbound" => ListSyntax::Unbound,
        "rpz" => ListSyntax::Rpz,
        "ut1" => ListSyntax::Ut1,
        "csv" => ListSyntax::Csv,
        "json" => ListSyntax::Json,
        "yaml" => ListSyntax::Yaml,
        _ => return Err("hosts, domains, adblock, regex, dnsmasq, unbound, rpz, ut1, csv, json or yaml".to_owned()),
    })
}

fn parse_reach(text: &str) -> Result<NameReach, String> {
    match text {
        "exact" => Ok(NameReach::Exact),
        "suffix" => Ok(NameReach::Suffix),
        _ => Err("exact or suffix".to_owned()),
    }
}

fn parse_hosts(text: &str) -> Result<HostsMeaning, String> {
    match text {
        "block" => Ok(HostsMeaning::Block),
        "record" => Ok(HostsMeaning::Record),
        "skip" => Ok(HostsMeaning::Skip),
        _ => Err("block, record or skip".to_owned()),
    }
}

fn parse_name(text: &str) -> Result<DomainName, String> {
    DomainName::from_text(text).map_err(|error| error.to_string())
}

fn parse_qtype(text: &str) -> Result<TypeName, String> {
    parse_type(text).map(TypeName).ok_or_else(|| "no type; write its name, or TYPE and its number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_form_of_the_command_line_is_understood() {
        for line in [
            "weir",
            "weir --config weir.toml",
            "weir serve",
            "weir serve --config weir.toml --data /var/lib/weir",
            "weir check",
            "weir check weir.toml",
            "weir category build --out categories.weir lists",
            "weir category build --out categories.weir a.txt b.txt.gz folder",
            "weir category lookup categories.weir a.example b.example",
            "weir category stats categories.weir",
            "weir explain --client 192.0.2.1 www.example.com",
            "weir explain --client ::1 www.example.com AAAA --config weir.toml --json",
            "weir explain --client ::1 www.example.com type65",
            "weir backup export backup.weir",
            "weir backup import backup.weir --config weir.toml",
            "weir backup import --replace backup.weir",
            "weir audit verify",
            "weir audit verify --data weir-data",
            "weir lists check easylist.txt",
            "weir lists check --syntax rpz --zone rpz.example --json a.rpz.gz b.rpz",
            "weir lists check --reach suffix --hosts record --dump hosts",
            "weir version",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn anything_else_is_a_wrong_usage() {
        for line in [
            "weir dance",
            "weir --config",
            "weir --config weir.toml check",
            "weir check one.toml two.toml",
            "weir category",
            "weir category build lists",
            "weir category build --out categories.weir",
            "weir category lookup categories.weir",
            "weir explain www.example.com",
            "weir explain --client here www.example.com",
            "weir explain --client ::1 a..b",
            "weir explain --client ::1 www.example.com NONSENSE",
            "weir backup export",
            "weir audit",
            "weir lists check",
            "weir lists check --syntax nonsense a.txt",
            "weir lists check --dump --json a.txt",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        assert_eq!(parse("weir --help").expect_err("help").exit_code(), 0);
    }
}
