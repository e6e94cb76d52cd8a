//! The client address: which headers are trusted, and what the layer and the backend get.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tokio::io::AsyncWriteExt;
use tower::{ServiceExt, service_fn};
use tower_canary::layer::{Affinity, ClientAddress};
use tower_canary::proxy::{AddressHeader, Proxy, RequestBody};
use tower_canary::routing::{Change, Reason};

use crate::support::{Backend, Gateway, HttpProxy, exchange, head, loopback, values};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const CLAIMS: &str = "GET / HTTP/1.1\r\nhost: shop\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-host: other\r\n\
                      x-forwarded-proto: https\r\nx-forwarded-port: 444\r\nx-real-ip: 192.0.2.1\r\nforwarded: for=192.0.2.1\r\n\r\n";

/// Returns the request head that a backend gets for a request with forwarding headers.
async fn seen(with: impl FnOnce(HttpProxy) -> HttpProxy) -> String {
    let mut backend = Backend::start().await;
    let gateway = Gateway::start(&[backend.address], with).await;
    let _client = gateway.send(CLAIMS).await;
    backend.answer(OK).await.0
}

#[tokio::test]
async fn untrusted_peer_claims_are_replaced() {
    let seen = seen(|proxy| proxy.with_scheme(&http::uri::Scheme::HTTPS)).await;
    for line in
        ["x-forwarded-for: 127.0.0.1\r\n", "x-forwarded-host: shop\r\n", "x-forwarded-proto: https\r\n"]
    {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    for gone in ["192.0.2.1", "x-forwarded-port", "other", "\r\nforwarded"] {
        assert!(!seen.contains(gone), "{gone}: {seen}");
    }
}

#[tokio::test]
async fn trusted_peer_claims_are_preserved() {
    let seen = seen(|proxy| proxy.with_trusted_proxies(loopback)).await;
    for line in [
        "x-forwarded-for: 192.0.2.1, 127.0.0.1\r\n",
        "x-forwarded-host: other\r\n",
        "x-forwarded-proto: https\r\n",
        "x-forwarded-port: 444\r\n",
        "x-real-ip: 192.0.2.1\r\n",
        "forwarded: for=192.0.2.1\r\n",
    ] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
}

/// Returns the client address that the layer gets, and `X-Forwarded-For` for the backend.
async fn client_address(
    peer: Option<ClientAddress>,
    trusted: bool,
    claim: &str,
) -> (Option<IpAddr>, Option<String>) {
    let mut request = Request::get("/").header("host", "shop").header("x-forwarded-for", claim);
    if let Some(peer) = peer {
        request = request.extension(peer);
    }
    let proxy = Proxy::new(service_fn(|request: Request<RequestBody<Empty<Bytes>>>| async move {
        let address = request.extensions().get().map(|ClientAddress(address)| *address);
        let forwarded =
            request.headers().get("x-forwarded-for").map(|value| value.to_str().unwrap().to_owned());
        let mut answer = Response::new(Full::<Bytes>::default());
        answer.extensions_mut().insert((address, forwarded));
        Ok::<_, std::io::Error>(answer)
    }))
    .with_trusted_proxies(move |_| trusted);
    let mut answer = proxy.oneshot(request.body(Empty::new()).unwrap()).await.unwrap();
    answer.extensions_mut().remove().unwrap()
}

// Nothing is added for an unknown peer.
#[tokio::test]
async fn client_address_reaches_the_layer() {
    let peer = IpAddr::from([10, 0, 0, 1]);
    let client = IpAddr::from([192, 0, 2, 1]);
    let known = Some(ClientAddress(peer));
    let both = Some("192.0.2.1, 10.0.0.1".to_owned());
    assert_eq!(client_address(known, true, "192.0.2.1").await, (Some(client), both));
    assert_eq!(client_address(known, false, "192.0.2.1").await, (Some(peer), Some("10.0.0.1".to_owned())));
    assert_eq!(client_address(None, true, "192.0.2.1").await, (None, None));
    let mapped = Some(ClientAddress("::ffff:10.0.0.1".parse().unwrap()));
    assert_eq!(client_address(mapped, false, "nonsense").await, (Some(peer), Some("10.0.0.1".to_owned())));
}

#[tokio::test]
async fn binary_forwarded_for_is_extended() {
    for claim in [&b"\xff, 192.0.2.1"[..], "caf\u{e9}, 192.0.2.1".as_bytes()] {
        let mut backend = Backend::start().await;
        let gateway = Gateway::start(&[backend.address], |proxy| proxy.with_trusted_proxies(loopback)).await;
        let mut client = gateway.connect().await;
        let head = [b"GET / HTTP/1.1\r\nhost: shop\r\nx-forwarded-for: ", claim, b"\r\n\r\n"].concat();
        client.write_all(&head).await.unwrap();
        let (seen, _stream) = backend.answer(OK).await;
        assert!(seen.contains(", 192.0.2.1, 127.0.0.1\r\n"), "{seen}");
    }
}

#[tokio::test]
async fn affinity_uses_the_forwarded_address() {
    let mut one = Backend::start().await;
    let mut two = Backend::start().await;
    let mut gateway = Gateway::layered(
        &[one.address, two.address],
        |layer| layer.with_affinity(Affinity::client_address()),
        |proxy| proxy.with_trusted_proxies(loopback),
    )
    .await;
    gateway.change(&Change::set_weight("v2".parse().unwrap(), "50".parse().unwrap()));
    let mut versions = std::collections::BTreeSet::new();
    for user in 0..20 {
        let request = CLAIMS.replace("192.0.2.1", &format!("198.51.100.{user}"));
        let mut first = None;
        for _ in 0..2 {
            let mut client = gateway.connect().await;
            client.write_all(request.as_bytes()).await.unwrap();
            let version = tokio::select! {
                _ = one.answer(OK) => "v1",
                _ = two.answer(OK) => "v2",
            };
            assert!(head(&mut client).await.starts_with("http/1.1 200"));
            assert_eq!(*first.get_or_insert(version), version, "user {user}");
            versions.insert(version);
        }
    }
    assert_eq!(versions.len(), 2, "users differ");
    let by_key = ["v1", "v2"].map(|version| gateway.handle.picks("auth", version, Reason::Key).unwrap());
    assert_eq!(by_key.iter().sum::<u64>(), 40);
}

fn from_proxy(headers: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
    let request = Request::get("/").header("host", "shop").extension(ClientAddress([10, 0, 0, 1].into()));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Empty::new()).unwrap()
}

// A proxy may pass on the `Connection` of its client.
#[tokio::test]
async fn connection_removes_no_end_to_end_header() {
    for (name, value, kept) in [
        ("x-forwarded-for", "192.0.2.1", "192.0.2.1, 10.0.0.1"),
        ("x-forwarded-host", "other", "other"),
        ("x-forwarded-proto", "https", "https"),
        ("x-forwarded-port", "444", "444"),
        ("x-forwarded-prefix", "/shop", "/shop"),
        ("x-real-ip", "192.0.2.1", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1", "for=192.0.2.1"),
        ("max-forwards", "3", "3"),
        ("cookie", "a=b", "a=b"),
        ("content-type", "text/plain", "text/plain"),
        ("authorization", "Bearer x", "Bearer x"),
    ] {
        let request =
            from_proxy(&[(name, value), ("connection", name), ("connection", "x-hop"), ("x-hop", "1")]);
        let (_, sent) = exchange(|proxy| proxy.with_trusted_proxies(|_| true), request).await;
        let sent = sent.unwrap().headers;
        assert_eq!(values(&sent, name), [kept]);
        assert!(!sent.contains_key("x-hop") && !sent.contains_key("connection"), "{name}");
    }
    let (_, sent) =
        exchange(|proxy| proxy, from_proxy(&[("via", "1.1 a"), ("connection", "via, host")])).await;
    let sent = sent.unwrap().headers;
    assert!(sent["via"] == "1.1 a" && values(&sent, "via").len() == 2 && sent["host"] == "shop", "{sent:?}");
}

/// Returns the client's address, `Forwarded` and `X-Forwarded-For` as the layer and the backend get them.
async fn addressed(trusted: bool, header: AddressHeader) -> [String; 3] {
    let claims = from_proxy(&[("forwarded", "for=192.0.2.1;proto=https"), ("x-forwarded-for", "6.6.6.6")]);
    let sent = exchange(
        |proxy: Proxy<_>| proxy.with_trusted_proxies(move |_| trusted).with_address_header(header),
        claims,
    )
    .await
    .1
    .unwrap();
    let ClientAddress(client) = sent.extensions.get().unwrap();
    let [forwarded, forwarded_for] =
        ["forwarded", "x-forwarded-for"].map(|name| values(&sent.headers, name).join("|"));
    [client.to_string(), forwarded, forwarded_for]
}

#[tokio::test]
async fn one_header_names_the_client() {
    let extended = "for=192.0.2.1;proto=https, for=10.0.0.1";
    assert_eq!(
        addressed(true, AddressHeader::Forwarded).await,
        ["192.0.2.1", extended, "192.0.2.1, 10.0.0.1"]
    );
    assert_eq!(addressed(false, AddressHeader::Forwarded).await, ["10.0.0.1", "for=10.0.0.1", "10.0.0.1"]);
    assert_eq!(
        addressed(true, AddressHeader::XForwardedFor).await,
        ["6.6.6.6", "for=192.0.2.1;proto=https", "6.6.6.6, 10.0.0.1"]
    );
}
