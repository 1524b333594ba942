//! One connection to a server, opened when first needed and again when it breaks.
//!
//! Many queries share it. TCP and TLS go through a [`Pipe`], HTTPS through HTTP/2.

use super::pipe::Pipe;
use hickory_net::{
    NetError,
    h2::HttpsClientStream,
    xfer::{DnsRequestSender, FirstAnswer},
};
use hickory_proto::op::{DnsRequest, DnsResponse};
use parking_lot::Mutex;
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Queries under way on one TCP or TLS connection at most.
pub(super) const ACTIVE_MAX: usize = 4096;

/// What carries queries.
#[derive(Clone)]
pub(super) enum Carrier {
    Stream(Pipe),
    Https(HttpsClientStream),
}

#[derive(Clone)]
struct Open {
    carrier: Carrier,
    number: u64,
}

/// The connection and what is known of it.
#[derive(Default)]
pub(super) struct Link {
    open: tokio::sync::Mutex<(u64, Option<Open>)>,
    answered: Mutex<Option<Instant>>,
}

impl Link {
    /// Sends one query. A connection that was open before and fails is replaced once: the other
    /// side may have closed it while it was idle.
    pub(super) async fn ask<F, C>(
        &self,
        request: &DnsRequest,
        timeout: Duration,
        connect: F,
    ) -> Result<DnsResponse, NetError>
    where
        F: Fn() -> C,
        C: Future<Output = Result<Carrier, NetError>>,
    {
        loop {
            // One caller connects, the others wait for it, all within their own time.
            let (open, reused) =
                tokio::time::timeout(timeout, self.get(&connect)).await.unwrap_or(Err(NetError::Timeout))?;
            let started = Instant::now();
            let answer = tokio::time::timeout(timeout, open.carrier.ask(request)).await;
            match answer.unwrap_or(Err(NetError::Timeout)) {
                Ok(response) => {
                    *self.answered.lock() = Some(Instant::now());
                    return Ok(response);
                }
                Err(NetError::Timeout) => {
                    // A slow answer is no broken connection, a silent one is.
                    if self.answered.lock().is_none_or(|answered| answered < started) {
                        self.drop_open(open.number).await;
                    }
                    return Err(NetError::Timeout);
                }
                Err(NetError::Busy) => return Err(NetError::Busy),
                Err(error) => {
                    self.drop_open(open.number).await;
                    if !reused {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn get<F, C>(&self, connect: &F) -> Result<(Open, bool), NetError>
    where
        F: Fn() -> C,
        C: Future<Output = Result<Carrier, NetError>>,
    {
        let mut slot = self.open.lock().await;
        if let Some(open) = &slot.1 {
            return Ok((open.clone(), true));
        }
        let carrier = connect().await?;
        slot.0 += 1;
        let open = Open { carrier, number: slot.0 };
        slot.1 = Some(open.clone());
        Ok((open, false))
    }

    async fn drop_open(&self, number: u64) {
        let mut slot = self.open.lock().await;
        slot.1.take_if(|open| open.number == number);
    }
}

impl Carrier {
    async fn ask(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        match self {
            Carrier::Https(stream) => stream.clone().send_message(request.clone()).first_answer().await,
            Carrier::Stream(pipe) => pipe.ask(request).await,
        }
    }
}
