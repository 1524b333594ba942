//! A web server on loopback that lists, feeds and zones are fetched from.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

/// Lets the daemon fetch from such a server.
pub const LOOPBACK: [(&str, &str); 2] =
    [("WEIR_LISTS__ALLOW_HTTP", "true"), ("WEIR_LISTS__ALLOW_PRIVATE", r#"["127.0.0.0/8"]"#)];

/// What it has under a path.
#[derive(Clone)]
pub enum Page {
    /// Octets, with an entity tag.
    Octets(Vec<u8>),
    /// The same with a date of its last change instead.
    Dated(Vec<u8>, &'static str),
    /// The first half of these octets, and a length as if that were all.
    Half(Vec<u8>),
    /// An error.
    Status(u16),
}

impl Page {
    pub fn text(text: &str) -> Page {
        Page::Octets(text.as_bytes().to_vec())
    }
}

/// A web server on loopback.
pub struct Web {
    base: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    /// Status of each answer.
    told: Arc<Mutex<Vec<u16>>>,
}

impl Web {
    pub fn start() -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let pages: Arc<Mutex<HashMap<String, Page>>> = Arc::default();
        let told: Arc<Mutex<Vec<u16>>> = Arc::default();
        let (served, noted) = (pages.clone(), told.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = Vec::new();
                let mut octet = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).is_ok_and(|read| read == 1) {
                    head.push(octet[0]);
                }
                let head = String::from_utf8_lossy(&head).to_lowercase();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let page = served.lock().unwrap().get(&path).cloned().unwrap_or(Page::Status(404));
                let (status, reply) = answer(&head, page);
                noted.lock().unwrap().push(status);
                let _ = stream.write_all(&reply);
            }
        });
        Web { base, pages, told }
    }

    pub fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// How often it answered with this status.
    pub fn count(&self, status: u16) -> usize {
        self.told.lock().unwrap().iter().filter(|told| **told == status).count()
    }

    /// How often it answered.
    pub fn total(&self) -> usize {
        self.told.lock().unwrap().len()
    }
}

fn answer(head: &str, page: Page) -> (u16, Vec<u8>) {
    let close = "Connection: close\r\n\r\n";
    let whole = |octets: &[u8], more: String| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{more}{close}", octets.len());
        (200, [head.as_bytes(), octets].concat())
    };
    let unchanged = || (304, format!("HTTP/1.1 304 Not Modified\r\n{close}").into_bytes());
    match page {
        Page::Octets(octets) => {
            let tag = format!("\"{}\"", blake3::hash(&octets).to_hex());
            match head.contains(&format!("if-none-match: {tag}")) {
                true => unchanged(),
                false => whole(&octets, format!("ETag: {tag}\r\n")),
            }
        }
        Page::Dated(octets, date) => match head.contains(&format!("if-modified-since: {}", date.to_lowercase())) {
            true => unchanged(),
            false => whole(&octets, format!("Last-Modified: {date}\r\n")),
        },
        Page::Half(octets) => whole(&octets[..octets.len() / 2], String::new()),
        Page::Status(status) => (status, format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n{close}").into_bytes()),
    }
}
