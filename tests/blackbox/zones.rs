//! Response policy zones from the name servers that people run: BIND and Knot. Where one is not installed, its story says so
//! and is not told.

use crate::{
    daemon::{Daemon, Place, until},
    dns::{ALLOWED, ask, ask_for, exchange},
    web::LOOPBACK,
};
use hickory_proto::{op::ResponseCode, rr::RecordType::A};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::Write,
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const SECRET: &str = "c2l4dGVlbiBvY3RldHMgYXQgbGVhc3Qh";
const ZONE: &str = "$TTL 300\n\
    @ SOA localhost. host.localhost. 1 3600 600 86400 300\n\
    @ NS localhost.\n\
    gone.test CNAME .\n\
    *.gone.test CNAME .\n\
    empty.test CNAME *.\n\
    long.test TXT \"a record that is no rule\"\n";

/// A name server of somebody else, with the zone `rpz.test` and the key `weir`. Dropping it kills it.
struct Server {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the name server's log:\n{}", self.log());
        }
    }
}

/// Where a program is; `None` where it is not installed.
fn installed(program: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists())
}

fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    /// Starts a program with a configuration in which `DIR` and `PORT` stand for its folder and its port.
    fn start(place: &Place, program: &Path, arguments: &[&str], configuration: &str) -> Server {
        let (folder, port) = (place.path("primary"), free_port());
        fs::create_dir_all(folder.join("db")).unwrap();
        fs::write(folder.join("zone"), ZONE).unwrap();
        let file = folder.join("conf");
        let text = configuration.replace("DIR", folder.to_str().unwrap()).replace("PORT", &port.to_string());
        fs::write(&file, text.replace("SECRET", SECRET)).unwrap();
        let log = folder.join("log");
        let to = || Stdio::from(File::options().create(true).append(true).open(&log).unwrap());
        let mut command = Command::new(program);
        command.args(arguments).arg("-c").arg(&file).stdin(Stdio::null()).stdout(to()).stderr(to());
        let server = Server { process: command.spawn().unwrap(), port, log };
        // It answers when it has the zone.
        until(|| {
            let socket = crate::dns::socket("127.0.0.1");
            socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let query = crate::dns::query("gone.test.rpz.test", hickory_proto::rr::RecordType::CNAME).to_vec().unwrap();
            socket.send_to(&query, ("127.0.0.1", port)).ok()?;
            let mut reply = [0; 512];
            let octets = socket.recv(&mut reply).ok()?;
            (octets > 3 && reply[3] & 0x0f == 0).then_some(())
        });
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Changes the zone as its owner does (RFC 2136).
    fn update(&self, nsupdate: &Path, lines: &str) {
        let mut program = Command::new(nsupdate)
            .args(["-y", &format!("hmac-sha256:weir:{SECRET}")])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let script = format!("server 127.0.0.1 {}\nzone rpz.test\n{lines}send\n", self.port);
        program.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(program.wait().unwrap().success());
    }
}

fn code(daemon: &Daemon, name: &str) -> ResponseCode {
    ask_for(daemon.udp, name, A).metadata.response_code
}

fn waits_for(daemon: &Daemon, name: &str, expected: ResponseCode) {
    until(|| (code(daemon, name) == expected).then_some(()));
}

/// Subscribes to the zone and follows it through a change, a wrong key, and back.
async fn follow(place: &Place, server: &Server, incremental: &str) {
    let nsupdate = installed("nsupdate").or_else(|| installed("knsupdate")).unwrap();
    let mut daemon = place.start_with(&LOOPBACK);
    let admin = place.administrator(&daemon);
    let body = json!({
        "name": "zone", "server": format!("127.0.0.1:{}", server.port), "zone": "rpz.test",
        "key_name": "hmac-sha256:weir", "key_secret": SECRET,
    });
    let list = admin.post("/lists", body).await.ok();
    assert!(!list.to_string().contains(SECRET), "{list}");
    admin.post("/policies/default/filter?user_id=1", json!({ "lists": [list["id"]] })).await.ok();
    let path = format!("/lists/{}", list["id"]);
    waits_for(&daemon, "gone.test", ResponseCode::NXDomain);
    assert_eq!(code(&daemon, "www.gone.test"), ResponseCode::NXDomain);
    assert!(ask_for(daemon.udp, "empty.test", A).answers.is_empty());
    assert_eq!(ask(daemon.udp, "127.0.0.1", "late.test"), ALLOWED);
    let serial = |status: &Value| status["report"]["serial"].as_u64();
    let status = admin.get(&format!("{path}/status")).await.ok();
    assert_eq!((serial(&status), &status["state"]), (Some(1), &json!("current")), "{status}");

    server.update(&nsupdate, "update add late.test.rpz.test 300 CNAME .\nupdate delete *.gone.test.rpz.test CNAME\n");
    admin.post(&format!("{path}/refresh"), Value::Null).await.ok();
    waits_for(&daemon, "late.test", ResponseCode::NXDomain);
    assert_eq!(ask(daemon.udp, "127.0.0.1", "www.gone.test"), ALLOWED);
    assert_eq!(code(&daemon, "gone.test"), ResponseCode::NXDomain);
    until(|| server.log().contains(incremental).then_some(()));
    let after = admin.get(&format!("{path}/status")).await.ok();
    assert!(serial(&after) > Some(1), "{after}");

    // The server tells of a change itself; a stranger is not heard.
    server.update(&nsupdate, "update add told.test.rpz.test 300 CNAME .\n");
    let notify =
        [&b"\x11\x11\x24\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..], b"\x03rpz\x04test\x00\x00\x06\x00\x01"].concat();
    let stranger = exchange(daemon.udp, "127.0.0.9", &notify);
    assert_eq!(stranger[2..4], [0xa0, 0x84], "NOTIMP");
    assert_eq!(ask(daemon.udp, "127.0.0.1", "told.test"), ALLOWED);
    let mut confirmed = notify.clone();
    confirmed[2] = 0xa4;
    assert_eq!(exchange(daemon.udp, "127.0.0.1", &notify), confirmed);
    waits_for(&daemon, "told.test", ResponseCode::NXDomain);
    let after = admin.get(&format!("{path}/status")).await.ok();

    // Nothing new.
    admin.post(&format!("{path}/refresh"), Value::Null).await.ok();
    let stands = async |expected: &'static str| {
        for _ in 0..3_000 {
            let status = admin.get(&format!("{path}/status")).await.ok();
            if status["state"] == expected && status["progress"] == Value::Null {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the list was never {expected}: {}", admin.get(&format!("{path}/status")).await.json);
    };
    let unchanged = stands("current").await;
    assert_eq!(serial(&unchanged), serial(&after));

    // A wrong key.
    let wrong = SECRET.replace("Qh", "Qi");
    admin.post(&path, json!({ "key_secret": wrong })).await.ok();
    admin.post(&format!("{path}/refresh"), Value::Null).await.ok();
    let status = stands("retrying").await;
    let error = status["error"].as_str().unwrap();
    assert!(error.contains("refuses") || error.contains("signature"), "{error}");
    assert_eq!((code(&daemon, "late.test"), &status["serving"]), (ResponseCode::NXDomain, &json!(true)));
    assert!(!daemon.log().contains(SECRET) && !daemon.log().contains(&wrong), "the log tells no secrets");

    // The right one again, what changed meanwhile included; then a restart.
    server.update(&nsupdate, "update add later.test.rpz.test 300 CNAME .\n");
    admin.post(&path, json!({ "key_secret": SECRET })).await.ok();
    admin.post(&format!("{path}/refresh"), Value::Null).await.ok();
    waits_for(&daemon, "later.test", ResponseCode::NXDomain);
    assert!(daemon.stop());
    let daemon = place.start_with(&LOOPBACK);
    assert_eq!(code(&daemon, "later.test"), ResponseCode::NXDomain, "from the first query on");
}

#[tokio::test]
async fn a_zone_of_bind_is_followed_with_its_changes_only() {
    let (Some(named), Some(_)) = (installed("named"), installed("nsupdate")) else {
        return println!("skipped: BIND (named, nsupdate) is not installed");
    };
    let place = Place::new();
    let configuration = r#"
        key "weir" { algorithm hmac-sha256; secret "SECRET"; };
        options {
            directory "DIR"; pid-file "DIR/pid"; session-keyfile none; listen-on port PORT { 127.0.0.1; };
            listen-on-v6 { none; }; recursion no; notify no; dnssec-validation no;
            max-ixfr-ratio unlimited;
        };
        controls { };
        zone "rpz.test" {
            type primary; file "DIR/zone"; allow-transfer { key "weir"; }; allow-update { key "weir"; };
        };
    "#;
    let server = Server::start(&place, &named, &["-g", "-n", "1"], configuration);
    follow(&place, &server, "IXFR started").await;
    assert!(!server.log().contains("AXFR-style"), "only what changed was sent");
}

#[tokio::test]
async fn a_zone_of_knot_is_followed_with_its_changes_only() {
    let nsupdate = installed("nsupdate").or_else(|| installed("knsupdate"));
    let (Some(knotd), Some(_)) = (installed("knotd"), nsupdate) else {
        return println!("skipped: Knot (knotd) is not installed, or no nsupdate");
    };
    let place = Place::new();
    let configuration = "\
server:\n    listen: 127.0.0.1@PORT\n    rundir: DIR\n    udp-workers: 1\n    tcp-workers: 2\n    background-workers: 1\n\
database:\n    storage: DIR/db\n\
log:\n  - target: stderr\n    any: info\n\
key:\n  - id: weir\n    algorithm: hmac-sha256\n    secret: SECRET\n\
acl:\n  - id: weir\n    key: weir\n    action: [transfer, update]\n\
zone:\n  - domain: rpz.test\n    storage: DIR\n    file: zone\n    acl: weir\n    zonefile-sync: -1\n    zonefile-load: difference\n    \
journal-content: changes\n";
    let server = Server::start(&place, &knotd, &[], configuration);
    follow(&place, &server, "IXFR, outgoing").await;
    assert!(!server.log().contains("fallback to AXFR"), "only what changed was sent");
}
