//! Requests over HTTP/2 that are reset as soon as they are sent.

use std::time::Duration;

use http::StatusCode;
use tokio::io::AsyncWriteExt;

use crate::clients::RawClient;
use crate::recorded::RecordedGateway;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The field block of `GET /auth/` for the host `a`.
const FIELDS: &[u8] = b"\x82\x86\x04\x06/auth/\x41\x01a";

/// HEADERS with END_STREAM, then RST_STREAM with CANCEL.
fn cancelled_request(stream: u32) -> Vec<u8> {
    let stream = stream.to_be_bytes();
    let headers = [&[0, 0, 13, 1, 5], &stream[..], FIELDS].concat();
    [&headers[..], &[0, 0, 4, 3, 0], &stream, &[0, 0, 0, 8]].concat()
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let recorded = RecordedGateway::new(&["--no-demo"], "").await;
    let mut client = RawClient::connect(&recorded.gateway.data).await;
    let requests = (0..2_000).flat_map(|request| cancelled_request(2 * request + 1));
    // The gateway may close before all is written.
    let _ = client.0.write_all(&[PREFACE, &requests.collect::<Vec<_>>()].concat()).await;
    assert!(client.is_closed_within(Duration::from_secs(5)).await);
    // Other clients are served, and the backend got few of the requests.
    assert_eq!(recorded.gateway.get("/auth/").await.status, StatusCode::OK);
    let received = recorded.take();
    assert!(received.len() < 200, "{}", received.len());
}
