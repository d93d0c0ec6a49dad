//! Serves the shop: `cargo run -- redis://127.0.0.1`, then `curl -i localhost:3000/products/7`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use shop::api;
use shop::catalogue::Catalogue;
use shop::store::Store;

/// A web shop on the cache.
#[derive(Parser)]
struct Args {
    /// The cache, by its URL: memory://, redis://host, tiered://?far=redis://host.
    #[arg(default_value = "memory://?max_size=64MiB")]
    cache: String,
    /// The port on this machine.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The SQLite file; it is made if it is missing.
    #[arg(long, default_value = "shop.db")]
    database: PathBuf,
    /// The number of products that a new database has.
    #[arg(long, default_value_t = 200)]
    products: i64,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args = Args::parse();
    let store = Store::open(&args.database, args.products, Duration::ZERO)?;
    let catalogue = Catalogue::new(store, &args.cache)?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", args.port)).await;
    let listener =
        listener.with_context(|| format!("port {} cannot be had; give another by --port", args.port))?;
    println!("http://{}", listener.local_addr()?);
    let stopped = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, api::router(catalogue.clone())).with_graceful_shutdown(stopped).await?;
    Ok(catalogue.provider().close().await?)
}
