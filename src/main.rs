//! The `weir` program.

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let path = std::env::args().nth(1);
    let config = match weir::config::Config::load(path.as_deref().map(std::path::Path::new), std::env::vars_os()) { Ok(c) => c, Err(f) => { eprintln!("{f}"); std::process::exit(1) } };
    weir::telemetry::install_logging(&config.log).ok();
    if let Err(error) = weir::daemon::run(config) { eprintln!("weir: {error}"); std::process::exit(1) }
}
