//! axum-reverse-proxy as a peer, with one thread, and one backend since it has no weights.

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::serve::ListenerExt;
use axum_reverse_proxy::ReverseProxy;
use peers::Addresses;
use tokio::net::TcpListener;
use tokio::runtime;

fn main() -> Result<(), Box<dyn Error>> {
    let addresses = Addresses::from_args()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(addresses))
}

async fn serve(addresses: Addresses) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(addresses.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", addresses.listen))?;
    let listener = listener.tap_io(|connection| {
        // An error means that the connection is closed, which the next read reports.
        let _ = connection.set_nodelay(true);
    });
    let proxy: Router = ReverseProxy::new("/", format!("http://{}", addresses.one)).into();
    // With the client address it sends its default headers to the backend.
    axum::serve(listener, proxy.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
