//! The daemon as a process.

use crate::{
    client::{Client, Keys},
    dns::Upstream,
};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use weir::store::{Options, Store};

/// How long a start may take on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// A running daemon; dropping it kills it.
pub struct Daemon {
    process: Child,
    /// Where it answers DNS over UDP.
    pub udp: SocketAddr,
    /// Where it answers DNS over TCP.
    pub tcp: SocketAddr,
    /// What its API's addresses begin with.
    pub api: String,
    /// All it printed until it was ready.
    pub said: Vec<String>,
    log: PathBuf,
}

/// A data folder and an upstream, which outlive daemons.
pub struct Place {
    folder: TempDir,
    pub upstream: Upstream,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub error: String,
}

impl Place {
    pub fn new() -> Place {
        Place::with(Upstream::start())
    }

    /// With an upstream of choice.
    pub fn with(upstream: Upstream) -> Place {
        Place { folder: tempfile::tempdir().unwrap(), upstream }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path beside the data folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with the environment that daemons here get.
    fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_weir"));
        program
            .current_dir(self.folder.path())
            .env("WEIR_DATA__DIR", self.data())
            .env("WEIR_DNS__LISTEN", r#"["127.0.0.1:0"]"#)
            .env("WEIR_API__LISTEN", "127.0.0.1:0")
            .env("WEIR_RESOLVE__UPSTREAMS", format!("[\"{}\"]", self.upstream.address()));
        program
    }

    /// The rows, while no daemon has them: for what directories, agents and time bring.
    pub fn store(&self) -> Store {
        Store::open(&self.data(), Options::default()).unwrap()
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let output = self.program().args(arguments).envs(environment.iter().copied()).output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
    }

    /// Starts a daemon here and waits until it is ready.
    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// The same with more variables in its environment.
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Daemon {
        self.start_as(&[], environment)
    }

    /// The same with arguments.
    pub fn start_as(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Daemon {
        let log = self.path("log");
        let mut process = self
            .program()
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
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
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("the daemon did not become ready; it said {said:#?}\n{log}");
            };
            let ready = line.starts_with("weir: ready");
            said.push(line);
            if ready {
                break;
            }
        }
        let after = |words: &str| said.iter().find_map(|line| line.strip_prefix(words)).unwrap().trim().to_owned();
        let (udp, tcp) = (after("weir: dns udp ").parse().unwrap(), after("weir: dns tcp ").parse().unwrap());
        Daemon { udp, tcp, api: after("weir: api "), process, said, log }
    }

    /// A caller with the first administrator's keys.
    pub fn administrator(&self, daemon: &Daemon) -> Client {
        Client::new(&daemon.api, self.keys())
    }

    /// The first administrator's keys.
    pub fn keys(&self) -> Keys {
        keys_of(&self.data().join("initial-credentials.toml"))
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
        self.signal("TERM");
        self.wait()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end; true if it left in order.
    pub fn wait(&mut self) -> bool {
        self.process.wait().unwrap().success()
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until its log has so many lines with these words.
    #[track_caller]
    pub fn wait_for_log(&self, words: &str, count: usize) {
        until(|| (self.log().lines().filter(|line| line.contains(words)).count() >= count).then_some(()));
    }
}

/// Asks again and again until there is something, for a minute at most.
#[track_caller]
pub fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "it never happened");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}
