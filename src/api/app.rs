//! The API as an axum application: what a listener serves, and what another program may embed.

use super::serve::{Api, Connection};
use crate::stats::Spool;
use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use futures_util::stream::{self, Stream};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Octets of a file read at once.
const PIECE_OCTETS: usize = 256 << 10;

/// The application. Each request must carry a [`Connection`] extension, which its listener adds.
///
/// Paths are matched by the API's own router, since the contract wants a number to win over a word
/// in the same place; so every path is one axum service.
pub fn app(api: Api) -> Router {
    Router::new().fallback(answer).with_state(api)
}

async fn answer(State(api): State<Api>, Extension(connection): Extension<Connection>, request: Request) -> Response {
    let (mut head, octets) = api.handle(request, connection).await.into_parts();
    let body = match head.extensions.remove::<Spool>() {
        Some(spool) => Body::from_stream(pieces(spool)),
        None => Body::from(octets),
    };
    Response::from_parts(head, body)
}

/// A file as it is sent: a piece is read when the one before is gone.
fn pieces(spool: Spool) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
    let progress = Arc::new(AtomicU64::new(0));
    tokio::spawn(spool.watch(progress.clone()));
    stream::try_unfold((spool, 0), move |(spool, offset)| {
        progress.store(offset, Ordering::Relaxed);
        async move {
            let reading = spool.clone();
            let read = tokio::task::spawn_blocking(move || reading.read_at(offset, PIECE_OCTETS));
            let piece = read.await.map_err(io::Error::other)??;
            let next = offset + piece.len() as u64;
            Ok((!piece.is_empty()).then_some((piece, (spool, next))))
        }
    })
}
