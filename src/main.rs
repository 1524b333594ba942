//! The `weir` program.

use clap::Parser;
use std::process::ExitCode;
use weir::cli::{self, Arguments};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before anything speaks TLS. It fails only where a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::run(arguments, weir::daemon::run)
}
