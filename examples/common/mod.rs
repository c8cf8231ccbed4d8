//! Code that the example servers share.
#![allow(dead_code, reason = "each example uses a part")]

use tokio::net::TcpListener;

pub(crate) mod tools;

/// Binds the address of `--addr`, or `127.0.0.1:8000` without it. Port 0 takes a free port. Prints
/// the address.
pub(crate) async fn listen() -> Result<TcpListener, Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let address = match (args.next().as_deref(), args.next()) {
        (None, _) => "127.0.0.1:8000".to_owned(),
        (Some("--addr"), Some(address)) => address,
        _ => return Err("usage: [--addr HOST:PORT]".into()),
    };
    let listener =
        TcpListener::bind(&address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    Ok(listener)
}
