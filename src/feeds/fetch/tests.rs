use super::*;
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Mutex,
};

/// A server that answers each request with the next of these replies, and keeps what was asked.
fn server(replies: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://127.0.0.1:{}", listener.local_addr().expect("bound").port());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = asked.clone();
    std::thread::spawn(move || {
        for reply in replies {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut head = Vec::new();
            let mut octet = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).is_ok_and(|read| read == 1) {
                head.push(octet[0]);
            }
            heard.lock().expect("whole").push(String::from_utf8_lossy(&head).to_lowercase());
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    (base, asked)
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn fetcher(allow: &[&str]) -> Fetcher {
    let allow_private = allow.iter().map(|net| net.parse().expect("a network")).collect();
    let options = FetchOptions { allow_http: true, allow_private, octets_max: 1_000, ..FetchOptions::default() };
    Fetcher::new(options).expect("a client")
}

struct Got {
    outcome: Result<Fetched, String>,
    text: String,
}

async fn get(fetcher: &Fetcher, url: &str, known: &Validators) -> Got {
    let dir = tempfile::tempdir().expect("a folder");
    let into = dir.path().join("list");
    let outcome = fetcher.fetch(url, Trust::Operator, known, &into, &Progress::default()).await;
    let text = std::fs::read_to_string(&into).unwrap_or_default();
    Got { outcome: outcome.map_err(|error| error.to_string()), text }
}

#[tokio::test]
async fn a_list_is_fetched_once_and_then_only_if_it_changed() {
    let tagged = ok("ETag: \"one\"\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n", "ads.test\n");
    let (base, asked) = server(vec![tagged, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".into()]);
    let fetcher = fetcher(&["127.0.0.0/8"]);
    let first = get(&fetcher, &format!("{base}/list"), &Validators::default()).await;
    let Ok(Fetched::Body { validators, gzipped: false, octets: 9 }) = first.outcome else {
        panic!("{:?}", first.outcome);
    };
    assert_eq!((validators.etag.as_deref(), first.text.as_str()), (Some("\"one\""), "ads.test\n"));
    let again = get(&fetcher, &format!("{base}/list"), &validators).await;
    assert_eq!(again.outcome, Ok(Fetched::Unchanged));
    let asked = asked.lock().expect("whole");
    assert!(!asked[0].contains("if-none-match") && asked[1].contains("if-none-match: \"one\""), "{asked:?}");
    assert!(asked[1].contains("if-modified-since: sat, 01 jan 2022"), "{asked:?}");
}

#[tokio::test]
async fn redirects_are_followed_and_checked_like_the_first_address() {
    let to = |target: &str| {
        format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let fetcher = fetcher(&["127.0.0.1/32"]);
    let (base, _) = server(vec![to("/b"), ok("", "ads.test\n")]);
    assert_eq!(get(&fetcher, &base, &Validators::default()).await.text, "ads.test\n");
    for (target, reason) in [
        ("http://127.0.0.2/", "it redirects to an address that is refused: 127.0.0.2 is loopback"),
        ("http://169.254.169.254/latest", "it redirects to an address that is refused: 169.254.169.254 is link-local"),
        ("http://[::ffff:10.0.0.1]/", "it redirects to an address that is refused: ::ffff:10.0.0.1 is private"),
        ("ftp://127.0.0.1/", "it redirects to an address that is refused: lists are fetched by https only"),
    ] {
        let (base, _) = server(vec![to(target)]);
        assert_eq!(get(&fetcher, &base, &Validators::default()).await.outcome, Err(reason.to_owned()), "{target}");
    }
    let (base, _) = server((0..7).map(|step| to(&format!("/{step}"))).collect());
    let outcome = get(&fetcher, &base, &Validators::default()).await.outcome;
    assert_eq!(outcome, Err("it redirects more than 5 times".to_owned()));
}

#[tokio::test]
async fn a_list_that_is_too_large_or_no_list_is_refused_without_the_secrets_of_its_address() {
    let fetcher = fetcher(&["127.0.0.0/8"]);
    let large = "a".repeat(1_001);
    let chunked = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{large}");
    for (reply, reason) in [
        (ok("", &large), "the list has more than 1000 octets"),
        (chunked, "the list has more than 1000 octets"),
        ("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nConnection: close\r\n\r\n".into(), "127.0.0.1 answered 503"),
        ("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".into(), "127.0.0.1 answered 304"),
        (ok("Content-Encoding: br\r\n", "x"), "127.0.0.1: it sends \"br\", which was not asked for"),
    ] {
        let (base, _) = server(vec![reply]);
        let outcome = get(&fetcher, &format!("{base}/list?token=secret"), &Validators::default()).await.outcome;
        assert_eq!(outcome, Err(reason.to_owned()));
    }
    let (base, _) = server(vec!["nonsense\r\n\r\n".into()]);
    let broken = get(&fetcher, &format!("{base}/list?token=secret"), &Validators::default()).await.outcome;
    assert!(broken.as_ref().is_err_and(|reason| !reason.contains("secret")), "{broken:?}");
}

#[tokio::test]
async fn a_host_that_has_a_private_address_is_not_spoken_to() {
    let outcome = get(&fetcher(&[]), "http://localhost:1/list", &Validators::default()).await.outcome;
    let reason = outcome.expect_err("refused");
    assert!(reason.starts_with("localhost has the address") && reason.ends_with("which is loopback"), "{reason}");
}

#[tokio::test]
async fn hosts_are_found_by_what_the_fetcher_was_given_before_the_system_is_asked() {
    let (base, asked) = server(vec![ok("", "ads.test\n"), ok("", "ads.test\n")]);
    let allow_private = vec!["127.0.0.0/8".parse().expect("a network")];
    let options = FetchOptions { allow_http: true, allow_private, ..FetchOptions::default() };
    let hosts: Hosts = Arc::new(|host| {
        Box::pin(async move { if host == "lists.invalid" { vec![[127, 0, 0, 1].into()] } else { Vec::new() } })
    });
    let fetcher = Fetcher::with_hosts(options.clone(), Some(hosts)).expect("a client");
    for host in ["lists.invalid", "localhost"] {
        let url = base.replace("127.0.0.1", host);
        let got = get(&fetcher, &url, &Validators::default()).await;
        assert_eq!((got.outcome.is_ok(), got.text.as_str()), (true, "ads.test\n"), "{host}: {:?}", got.outcome);
    }
    assert_eq!(asked.lock().expect("whole").len(), 2);
    let guarded: Hosts = Arc::new(|_| Box::pin(async { vec![[10, 0, 0, 1].into()] }));
    let fetcher = Fetcher::with_hosts(options, Some(guarded)).expect("a client");
    let reason = get(&fetcher, "http://lists.invalid/a", &Validators::default()).await.outcome.expect_err("refused");
    assert!(reason.ends_with("which is private"), "{reason}");
}

#[test]
fn what_may_be_fetched_depends_on_who_named_it() {
    let strict = Fetcher::new(FetchOptions::default()).expect("a client");
    for (url, operator, tenant) in [
        ("https://lists.example/a", true, true),
        ("https://lists.example:443/a", true, true),
        ("https://lists.example:8443/a", true, true),
        ("https://lists.example:22/a", true, false),
        ("https://user:password@lists.example/a", true, false),
        ("https://user@lists.example/a", true, false),
        ("http://lists.example/a", false, false),
        ("file:///etc/passwd", false, false),
        ("https://127.0.0.1/a", false, false),
        ("https://0x7f.1/a", false, false),
        ("https://2130706433/a", false, false),
        ("https://[::1]/a", false, false),
        ("https://[::ffff:192.168.0.1]/a", false, false),
        ("https://[64:ff9b::10.0.0.1]/a", false, false),
        ("https://8.8.8.8/a", true, true),
        ("lists.example", false, false),
        ("", false, false),
    ] {
        assert_eq!(strict.check(url, Trust::Operator).is_ok(), operator, "{url}");
        assert_eq!(strict.check(url, Trust::Tenant).is_ok(), tenant, "{url}");
    }
    assert!(strict.check(&format!("https://lists.example/{}", "a".repeat(2_000)), Trust::Operator).is_err());
}
