//! A mail relay (RFC 5321) that keeps what it is handed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

/// How long a mail may take: schedules are looked at every ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Relay {
    address: SocketAddr,
    mails: mpsc::Receiver<Mail>,
}

/// A mail as it was handed over.
#[derive(Debug)]
pub struct Mail {
    /// `MAIL FROM`.
    pub sender: String,
    /// `RCPT TO`.
    pub recipients: Vec<String>,
    /// Headers and body.
    pub message: String,
}

/// A part of a message, decoded.
#[derive(Debug)]
pub struct Part {
    /// Its headers.
    pub head: String,
    /// Its octets.
    pub octets: Vec<u8>,
}

impl Relay {
    pub fn start() -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mails) = mpsc::channel();
        std::thread::spawn(move || {
            // One mail after the other, as they come.
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(mail) = take(stream)
                    && sender.send(mail).is_err()
                {
                    return;
                }
            }
        });
        Relay { address, mails }
    }

    /// Its address, as mail settings name it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The next mail.
    #[track_caller]
    pub fn next(&self) -> Mail {
        self.mails.recv_timeout(PATIENCE).unwrap()
    }

    /// Whether nothing has come since.
    pub fn is_empty(&self) -> bool {
        self.mails.try_recv().is_err()
    }
}

/// One connection, which hands over one mail.
fn take(stream: TcpStream) -> Option<Mail> {
    let mut out = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut mail = Mail { sender: String::new(), recipients: Vec::new(), message: String::new() };
    let mut reply = |text: &str| out.write_all(text.as_bytes()).ok();
    reply("220 relay.test\r\n")?;
    let address = |line: &str| Some(line.split_once('<')?.1.split_once('>')?.0.to_owned());
    while let Some(line) = lines.next() {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => reply("250-relay.test\r\n250 8BITMIME\r\n")?,
            "MAIL" => {
                mail.sender = address(&line)?;
                reply("250 ok\r\n")?;
            }
            "RCPT" => {
                mail.recipients.push(address(&line)?);
                reply("250 ok\r\n")?;
            }
            "DATA" => {
                reply("354 go on\r\n")?;
                for line in lines.by_ref().take_while(|line| line != ".") {
                    // A dot before a dot hides it (section 4.5.2).
                    mail.message += line.strip_prefix('.').unwrap_or(&line);
                    mail.message += "\n";
                }
                reply("250 kept\r\n")?;
            }
            "QUIT" => {
                reply("221 bye\r\n")?;
                break;
            }
            _ => reply("502 unknown\r\n")?,
        }
    }
    (!mail.message.is_empty()).then_some(mail)
}

impl Mail {
    /// What the mail consists of: text first, then files.
    pub fn parts(&self) -> Vec<Part> {
        let Some((_, rest)) = self.message.split_once("boundary=\"") else { return vec![part(&self.message)] };
        let (boundary, rest) = rest.split_once('"').unwrap();
        let line = format!("--{boundary}");
        let parts = rest.split(&line).skip(1);
        parts.map(str::trim_start).filter(|text| !text.starts_with("--")).map(part).collect()
    }

    /// Its text.
    pub fn text(&self) -> String {
        String::from_utf8(self.parts().remove(0).octets).unwrap()
    }
}

fn part(text: &str) -> Part {
    let (head, body) = text.split_once("\n\n").unwrap();
    let encoding = |name: &str| head.to_ascii_lowercase().contains(&format!("content-transfer-encoding: {name}"));
    let octets = if encoding("base64") {
        STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap()
    } else if encoding("quoted-printable") {
        body.replace("=\n", "").replace("=3D", "=").into_bytes()
    } else {
        body.as_bytes().to_vec()
    };
    Part { head: head.to_owned(), octets }
}
