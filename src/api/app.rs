//! The API as an axum application: what a listener serves, and what another program may embed.

use super::serve::{Api, Connection};
use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};

/// The application. Each request must carry a [`Connection`] extension, which its listener adds.
///
/// Paths are matched by the API's own router, since the contract wants a number to win over a word
/// in the same place; so every path is one axum service.
pub fn app(api: Api) -> Router {
    Router::new().fallback(answer).with_state(api)
}

async fn answer(State(api): State<Api>, Extension(connection): Extension<Connection>, request: Request) -> Response {
    api.handle(request, connection).await.map(Body::from)
}
