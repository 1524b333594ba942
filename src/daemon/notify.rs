//! What the service manager is told (sd_notify(3)); silence where there is none.

use sd_notify::NotifyState;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// A NOTIFY without a question (RFC 1996): every client, known or not, gets NOTIMP.
const PROBE: [u8; 12] = [0x77, 0x64, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// How long the query path may take to answer the probe.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Says that queries are served.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that a reload begins.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Says that the end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// Feeds the watchdog at half its period for as long as a query sent to `address` is answered;
/// returns at once where the service manager watches nobody.
pub(super) async fn watchdog(address: Option<SocketAddr>, cancel: CancellationToken) {
    let (Some(period), Some(address)) = (sd_notify::watchdog_enabled(), address) else { return };
    let pause = (period / 2).max(Duration::from_millis(10));
    while cancel.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        match tokio::time::timeout(PROBE_PATIENCE, probe(address)).await {
            Ok(Ok(())) => tell(&[NotifyState::Watchdog]),
            Ok(Err(error)) => {
                tracing::error!(%address, %error, "the watchdog is not fed: the query path cannot be asked")
            }
            Err(_) => tracing::error!(%address, "the watchdog is not fed: the query path does not answer"),
        }
    }
}

async fn probe(mut address: SocketAddr) -> io::Result<()> {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let local: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(address).await?;
    socket.send(&PROBE).await?;
    let mut reply = [0; 12];
    socket.recv(&mut reply).await.map(drop)
}
