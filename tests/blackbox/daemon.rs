//! The daemon as a process.

use crate::{
    client::{Client, Keys},
    dns::Upstream,
};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};
use tempfile::TempDir;

/// How long a start may take on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// A running daemon; dropping it kills it.
pub struct Daemon {
    process: Child,
    /// Where it answers DNS over UDP.
    pub udp: SocketAddr,
    /// What its API's addresses begin with.
    pub api: String,
    /// All it printed until it was ready.
    pub said: Vec<String>,
}

/// A data folder and an upstream, which outlive daemons.
pub struct Place {
    folder: TempDir,
    pub upstream: Upstream,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap(), upstream: Upstream::start() }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts a daemon here and waits until it is ready.
    pub fn start(&self) -> Daemon {
        let mut process = Command::new(env!("CARGO_BIN_EXE_weir"))
            .current_dir(self.folder.path())
            .env("WEIR_DATA__DIR", self.data())
            .env("WEIR_DNS__LISTEN", r#"["127.0.0.1:0"]"#)
            .env("WEIR_API__LISTEN", "127.0.0.1:0")
            .env("WEIR_RESOLVE__UPSTREAMS", format!("[\"{}\"]", self.upstream.address()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = process.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        // Reads to the end, so that the daemon never waits for a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut said = Vec::new();
        loop {
            let Ok(line) = lines.recv_timeout(START_PATIENCE) else {
                let _ = process.kill();
                panic!("the daemon did not become ready; it said {said:#?}");
            };
            let ready = line.starts_with("weir: ready");
            said.push(line);
            if ready {
                break;
            }
        }
        let after = |words: &str| said.iter().find_map(|line| line.strip_prefix(words)).unwrap().trim().to_owned();
        Daemon { udp: after("weir: dns udp ").parse().unwrap(), api: after("weir: api "), process, said }
    }

    /// A caller with the first administrator's keys.
    pub fn administrator(&self, daemon: &Daemon) -> Client {
        Client::new(&daemon.api, keys_of(&self.data().join("initial-credentials.toml")))
    }
}

fn keys_of(file: &Path) -> Keys {
    let table: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let value = |name: &str| table[name].as_str().unwrap().to_owned();
    Keys {
        consumer_key: value("consumer_key"),
        consumer_secret: value("consumer_secret"),
        access_token: value("access_token"),
        access_token_secret: value("access_token_secret"),
    }
}

impl Daemon {
    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// SIGTERM; true if it left in order.
    pub fn stop(&mut self) -> bool {
        let pid = i32::try_from(self.process.id()).unwrap();
        Command::new("kill").arg(pid.to_string()).status().unwrap();
        self.process.wait().unwrap().success()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
