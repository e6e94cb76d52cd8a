//! axum-reverse-proxy as a peer: one thread, and one backend, since it has no weights.

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
        // A connection that cannot be set is closed already: reading it says so.
        let _ = connection.set_nodelay(true);
    });
    let proxy: Router = ReverseProxy::new("/", format!("http://{}", addresses.one)).into();
    // By the address of the client, its default is to tell the backend.
    axum::serve(listener, proxy.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
