//! TLS to the API, by the certificates of the system and those that are named.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::program::{canary, finish};

const REPLICAS: &str = r#"{"revision":1,"converged":true,"replicas":[]}"#;

/// Starts an API with a certificate of its own. Returns its address and the certificate as PEM.
async fn api() -> (String, String) {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = signed.cert.der().clone();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(&certificate)
    );
    let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let builder = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor =
        TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key.into()).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let length = REPLICAS.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(format!("{head}{REPLICAS}").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (url, pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_is_trusted_if_it_is_named() {
    let (url, pem) = api().await;
    let unknown = finish(canary(&["replicas"]).env("CANARY_URL", &url));
    assert!(unknown.code == Some(1) && unknown.stderr.contains("cannot connect"), "{unknown:?}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let named = finish(canary(&["replicas", "--ca-cert", file.to_str().unwrap()]).env("CANARY_URL", &url));
    assert!(named.code == Some(0) && named.stdout.contains("revision 1"), "{named:?}");
}

#[test]
fn file_without_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let run = finish(&mut canary(&["replicas", "--ca-cert", file.to_str().unwrap()]));
    assert!(run.code == Some(2) && run.stderr.contains("has no certificate"), "{run:?}");
}

#[test]
fn token_without_encryption_is_warned_of() {
    let mut command = canary(&["replicas", "--timeout", "200ms"]);
    let run = finish(command.env("CANARY_URL", "http://192.0.2.1").env("CANARY_TOKEN", "token"));
    assert!(run.stderr.contains("the token is sent without encryption"), "{run:?}");
}
