//! Mail to a small relay on loopback.

use super::{Attachment, Mail, MailError, Mailer, Relay, Smtp, smtp::Patience};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// How the relay behaves.
#[derive(Clone, Copy, Default)]
struct Manners {
    offers_tls: bool,
    refuses_recipients: bool,
    never_ends_a_line: bool,
    says_nothing: bool,
}

/// What a relay took: the commands, and the octets between DATA and the dot.
#[derive(Debug, Default)]
struct Taken {
    commands: Vec<String>,
    data: String,
    encrypted: bool,
}

async fn relay(manners: Manners) -> (SocketAddr, JoinHandle<Taken>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut taken = Taken::default();
        if manners.says_nothing {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 relay.test ESMTP\r\n").await.expect("written");
        if converse(&mut stream, manners, &mut taken).await {
            let stream = acceptor().accept(stream.into_inner()).await.expect("a handshake");
            taken.encrypted = true;
            converse(&mut BufReader::new(stream), manners, &mut taken).await;
        }
        taken
    });
    (address, task)
}

/// Speaks until the end, or until TLS is to begin (true).
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    manners: Manners,
    taken: &mut Taken,
) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return false;
        }
        let command = line.trim_end().to_owned();
        taken.commands.push(command.clone());
        let word = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match word.as_str() {
            "EHLO" if manners.never_ends_a_line => {
                let junk = vec![b'x'; 64 * 1024];
                while stream.write_all(&junk).await.is_ok() {}
                return false;
            }
            "EHLO" if manners.offers_tls && !taken.encrypted => b"250-relay.test\r\n250-8BITMIME\r\n250 STARTTLS\r\n",
            "EHLO" => b"250-relay.test\r\n250 8BITMIME\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await.expect("written");
                return true;
            }
            "RCPT" if manners.refuses_recipients => b"550 5.1.1 no such mailbox\r\n",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.expect("written");
                loop {
                    line.clear();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line == ".\r\n" {
                        break;
                    }
                    taken.data += &line;
                }
                b"250 taken\r\n"
            }
            "QUIT" => {
                let _ = stream.write_all(b"221 bye\r\n").await;
                return false;
            }
            _ => b"250 ok\r\n",
        };
        if stream.write_all(reply).await.is_err() {
            return false;
        }
    }
}

fn acceptor() -> TlsAcceptor {
    let pair = rcgen::generate_simple_self_signed(["elsewhere.test".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(pair.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("both versions")
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .expect("a certificate with its key");
    TlsAcceptor::from(Arc::new(config))
}

fn mail() -> Mail {
    let file = Attachment { file_name: "r.csv".into(), content_type: "text/csv", octets: b"a,b\r\n1,2\r\n".to_vec() };
    Mail {
        to: vec!["one@weir.test".into(), "two@weir.test".into()],
        subject: "Übersicht".into(),
        text: "Hello\n.\nBye\n".into(),
        attachments: vec![file],
    }
}

fn to(address: SocketAddr) -> Relay {
    Relay { server: address.to_string(), sender: "Weir <weir@weir.test>".into() }
}

fn hasty() -> Smtp {
    Smtp::with(Patience { connect: Duration::from_millis(500), mail: Duration::from_millis(500) })
}

#[tokio::test]
async fn a_relay_gets_the_mail_with_its_files() {
    let (address, task) = relay(Manners::default()).await;
    Smtp::new().send(to(address), mail()).await.expect("sent");
    let taken = task.await.expect("ran");
    assert!(!taken.encrypted);
    let commands: Vec<&str> = taken.commands[1..].iter().map(String::as_str).collect();
    let envelope = ["MAIL FROM:<weir@weir.test>", "RCPT TO:<one@weir.test>", "RCPT TO:<two@weir.test>", "DATA", "QUIT"];
    assert_eq!(commands, envelope);
    for part in ["From: Weir <weir@weir.test>", "To: one@weir.test, two@weir.test", "r.csv", "multipart/mixed"] {
        assert!(taken.data.contains(part), "{part} is not in {}", taken.data);
    }
    assert!(taken.data.contains("Hello\r\n..\r\nBye"), "a dot of its own is doubled: {}", taken.data);
}

#[tokio::test]
async fn an_offer_of_tls_is_taken_whoever_the_certificate_is_for() {
    let (address, task) = relay(Manners { offers_tls: true, ..Manners::default() }).await;
    Smtp::new().send(to(address), mail()).await.expect("sent");
    let taken = task.await.expect("ran");
    assert!(taken.encrypted && taken.data.contains("Hello"));
    assert_eq!(taken.commands.iter().filter(|command| command.starts_with("EHLO")).count(), 2);
}

#[tokio::test]
async fn what_a_relay_refuses_is_told_with_its_words() {
    let (address, _task) = relay(Manners { refuses_recipients: true, ..Manners::default() }).await;
    let error = Smtp::new().send(to(address), mail()).await.expect_err("refused").to_string();
    assert!(error.contains("550") && error.contains("no such mailbox"), "{error}");
}

#[tokio::test]
async fn a_relay_that_is_silent_endless_or_absent_is_given_up() {
    let (address, task) = relay(Manners { says_nothing: true, ..Manners::default() }).await;
    let error = hasty().send(to(address), mail()).await.expect_err("silent").to_string();
    assert!(error.contains("too long"), "{error}");
    task.abort();
    let (address, task) = relay(Manners { never_ends_a_line: true, ..Manners::default() }).await;
    let error = Smtp::new().send(to(address), mail()).await.expect_err("endless").to_string();
    assert!(error.contains("too much"), "{error}");
    task.await.expect("ran");
    assert!(matches!(Smtp::new().send(to(address), mail()).await, Err(MailError::Relay { .. })), "nobody listens");
}

#[tokio::test]
async fn more_mails_than_may_wait_are_refused() {
    let smtp = hasty();
    let (address, task) = relay(Manners { says_nothing: true, ..Manners::default() }).await;
    let sends = (0..300).map(|_| smtp.send(to(address), mail()));
    let results = futures_util::future::join_all(sends).await;
    let busy = results.iter().filter(|result| matches!(result, Err(MailError::Busy))).count();
    assert!((300 - 256..300 - 8).contains(&busy), "{busy}");
    task.abort();
}
