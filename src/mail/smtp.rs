//! Mail over SMTP (RFC 5321).
//!
//! A connection is for one mail. Where the relay offers STARTTLS (RFC 3207) it is used, whoever the
//! certificate is for: whoever could forge it could as well hide the offer, and mail in clear would
//! be the alternative (RFC 7435). On port 465 there is no offer to hide, so there the certificate
//! must be good.

use super::{Mail, MailError, Mailer, Relay, RelayHost, bounded::Bounded, compose::compose};
use futures_util::future::BoxFuture;
use lettre::{
    Message,
    transport::smtp::{
        client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters},
        extension::ClientId,
    },
};
use rustls::pki_types::ServerName;
use std::{io, sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_rustls::TlsConnector;

/// Connections to relays at once.
const CONNECTIONS_MAX: usize = 8;
/// Mails under way at once, those that wait for a connection included.
const MAILS_MAX: usize = 256;
/// The port where TLS comes first (RFC 8314, section 3.3).
const PORT_TLS: u16 = 465;
/// Characters of what a relay said that are passed on.
const REASON_MAX: usize = 300;

/// How long a relay may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// To accept the connection.
    pub(super) connect: Duration,
    /// To take the whole mail. RFC 5321, section 4.5.3.2 would let it take far longer; nobody here
    /// sends a second time, and a relay on its way down must not hold up all others.
    pub(super) mail: Duration,
}

/// Sends over SMTP. Cheap to clone; all clones share the bounds.
#[derive(Clone, Debug)]
pub struct Smtp {
    mails: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    patience: Patience,
}

impl Default for Smtp {
    fn default() -> Self {
        Self::new()
    }
}

impl Smtp {
    /// At most 8 connections and 256 mails at once; 10 s to connect, 2 minutes a mail.
    pub fn new() -> Self {
        Self::with(Patience { connect: Duration::from_secs(10), mail: Duration::from_secs(120) })
    }

    pub(super) fn with(patience: Patience) -> Self {
        Smtp {
            mails: Arc::new(Semaphore::new(MAILS_MAX)),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            patience,
        }
    }

    async fn deliver(self, relay: Relay, mail: Mail) -> Result<(), MailError> {
        let _mail = self.mails.try_acquire().map_err(|_| MailError::Busy)?;
        let refused = |reason: String| MailError::Relay { server: relay.server.clone(), reason: shown(&reason) };
        let host: RelayHost = relay.server.parse().map_err(|error| refused(format!("{error}")))?;
        let message = compose(&relay.sender, mail)?;
        // A relay that keeps everybody waiting must not keep them for ever.
        let turn = tokio::time::timeout(self.patience.mail, self.connections.acquire());
        let _connection = turn.await.map_err(|_| MailError::Busy)?.map_err(|_| MailError::Busy)?;
        let handed_over = tokio::time::timeout(self.patience.mail, hand_over(&host, &message, self.patience.connect));
        match handed_over.await {
            Ok(result) => result.map_err(refused),
            Err(_) => Err(refused("it took too long".to_owned())),
        }
    }
}

impl Mailer for Smtp {
    fn send(&self, relay: Relay, mail: Mail) -> BoxFuture<'static, Result<(), MailError>> {
        let smtp = self.clone();
        Box::pin(async move {
            let server = relay.server.clone();
            let result = smtp.deliver(relay, mail).await;
            match &result {
                Ok(()) => {
                    metrics::counter!("weir_mail_sent_total").increment(1);
                    tracing::debug!(server, "a mail was handed over");
                }
                Err(error) => {
                    metrics::counter!("weir_mail_failures_total").increment(1);
                    tracing::warn!(server, %error, "a mail was not sent");
                }
            }
            result
        })
    }
}

async fn hand_over(host: &RelayHost, message: &Message, patience: Duration) -> Result<(), String> {
    let text = |error: lettre::transport::smtp::Error| error.to_string();
    let stream = tokio::time::timeout(patience, connect(host)).await;
    let stream = stream.map_err(|_| "it does not answer".to_owned())?.map_err(|error| error.to_string())?;
    let hello = ClientId::default();
    let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await.map_err(text)?;
    if host.port != PORT_TLS && connection.can_starttls() {
        let parameters = TlsParameters::builder(host.host.clone()).dangerous_accept_invalid_certs(true);
        let parameters = parameters.dangerous_accept_invalid_hostnames(true).build().map_err(text)?;
        connection.starttls(parameters, &hello).await.map_err(text)?;
    }
    let sent = connection.send(message.envelope(), &message.formatted()).await;
    connection.abort().await;
    sent.map(drop).map_err(text)
}

async fn connect(host: &RelayHost) -> io::Result<Box<dyn AsyncTokioStream>> {
    let stream = TcpStream::connect((host.host.as_str(), host.port)).await?;
    let peer = stream.peer_addr()?;
    if host.port != PORT_TLS {
        return Ok(Box::new(Bounded::new(stream, peer)));
    }
    let config = hickory_net::tls::client_config().map_err(io::Error::other)?;
    let name = ServerName::try_from(host.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    Ok(Box::new(Bounded::new(stream, peer)))
}

/// What a relay said, fit for one line of a log.
fn shown(reason: &str) -> String {
    reason.chars().take(REASON_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
