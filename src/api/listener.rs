//! The API's own accept loop: HTTP/1.1 and HTTP/2, with or without TLS, every wait bounded.

use super::{
    app::app,
    serve::{Api, Connection},
};
use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use std::{collections::HashMap, io, net::IpAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at once.
const CONNECTIONS_MAX: usize = 4096;
/// Connections at once from one address that is not loopback.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 128;
/// How long a TLS handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may idle between requests.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// What a connection may take, whatever it does.
const LIMITS: Limits = Limits { life: Duration::from_secs(15 * 60), farewell: Duration::from_secs(180) };
/// How long open requests may go on after the cancellation.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);
/// A pause after an accept that failed: too many open files do not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may stay.
#[derive(Clone, Copy)]
struct Limits {
    /// Until it is told to go; callers open another.
    life: Duration,
    /// How long its last requests may take after that, and their answers be read.
    farewell: Duration,
}

/// Serves the API on a listener until `cancel`, then lets open requests finish, 10 s at most.
///
/// Without `tls` it serves plain HTTP. Certificates change behind the configuration's resolver.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    api: Api,
    cancel: CancellationToken,
) -> io::Result<()> {
    let app = app(api);
    let tracker = TaskTracker::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let per_address = Arc::new(PerAddress::default());
    loop {
        let permit = tokio::select! {
            () = cancel.cancelled() => break,
            permit = room.clone().acquire_owned() => permit.map_err(io::Error::other)?,
        };
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the API could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let peer = peer.ip().to_canonical();
        let Some(place) = per_address.enter(peer) else {
            metrics::counter!("weir_api_connections_refused_total").increment(1);
            continue;
        };
        let (app, cancel, tls) = (app.clone(), cancel.clone(), tls.clone());
        tracker.spawn(async move {
            let _held = (permit, place);
            connection(stream, tls, app, peer, cancel).await;
        });
    }
    tracker.close();
    // Whoever is not done by then is cut off when the runtime ends.
    let _ = tokio::time::timeout(DRAIN_PATIENCE, tracker.wait()).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    app: Router,
    peer: IpAddr,
    cancel: CancellationToken,
) {
    // Answers are single writes; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(stream, app, Connection { peer, tls: false }, cancel, LIMITS).await,
        Some(config) => {
            let handshake = TlsAcceptor::from(config).accept(stream);
            match tokio::time::timeout(HANDSHAKE_PATIENCE, handshake).await {
                Ok(Ok(stream)) => speak(stream, app, Connection { peer, tls: true }, cancel, LIMITS).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
            }
        }
    }
}

async fn speak<S>(stream: S, app: Router, connection: Connection, cancel: CancellationToken, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(app.layer(Extension(connection)));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(HEAD_PATIENCE)
        .keep_alive_timeout(HANDSHAKE_PATIENCE);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => Ok(ended),
        () = ends(cancel, limits.life) => {
            served.as_mut().graceful_shutdown();
            // Who does not read an answer does not hold the connection for ever.
            tokio::time::timeout(limits.farewell, served).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(peer = %connection.peer, %error, "connection ended"),
        Err(_) => tracing::debug!(peer = %connection.peer, "connection cut off: its answers were not read"),
    }
}

/// Waits for the end of a connection's time or of the daemon's.
async fn ends(cancel: CancellationToken, life: Duration) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = tokio::time::sleep(life) => {}
    }
}

/// Open connections by address.
#[derive(Default)]
struct PerAddress(Mutex<HashMap<IpAddr, usize>>);

/// One of them; leaving is dropping it.
struct Place {
    table: Arc<PerAddress>,
    address: IpAddr,
}

impl PerAddress {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut open = self.0.lock();
        let count = open.entry(address).or_insert(0);
        if *count >= CONNECTIONS_PER_ADDRESS_MAX && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place { table: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.table.0.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_connection_ends_however_slowly_it_is_used() {
        let app = Router::new().route("/", axum::routing::get(|| async { "x".repeat(1024 * 1024) }));
        let limits = Limits { life: Duration::from_millis(20), farewell: Duration::from_millis(20) };
        for asks in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"]
        {
            let (mut caller, served) = tokio::io::duplex(1024);
            let connection = Connection { peer: IpAddr::from([192, 0, 2, 1]), tls: false };
            let served = tokio::spawn(speak(served, app.clone(), connection, CancellationToken::new(), limits));
            caller.write_all(asks).await.expect("writes");
            let mut octet = [0];
            // An octet now and then keeps neither an answer nor a connection open for ever.
            let reads = async {
                while caller.read(&mut octet).await.is_ok_and(|read| read > 0) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let ended = tokio::time::timeout(HEAD_PATIENCE, async { tokio::join!(served, reads) }).await;
            assert!(ended.is_ok(), "it goes on and on");
        }
    }
}
