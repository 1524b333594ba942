//! How far long work is.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is being done to a list, and how far it is. Written by who does it, read by whoever wants to know.
#[derive(Debug, Default)]
pub struct Progress {
    phase: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
}

/// A moment of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Far {
    /// What is being done: `waiting`, `fetching`, `reading`.
    pub phase: &'static str,
    /// Octets done.
    pub done: u64,
    /// Octets there are; 0 where nobody knows.
    pub total: u64,
}

impl Progress {
    /// Begins a phase of `total` octets; 0 where nobody knows.
    pub fn begin(&self, phase: &'static str, total: u64) {
        *self.phase.lock() = phase;
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Counts octets done.
    pub fn advance(&self, octets: u64) {
        self.done.fetch_add(octets, Ordering::Relaxed);
    }

    /// How far it is now.
    pub fn far(&self) -> Far {
        let phase = *self.phase.lock();
        Far {
            phase: if phase.is_empty() { "waiting" } else { phase },
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
        }
    }
}
