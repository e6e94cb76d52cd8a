//! Bytes of a backend that belong to no request.

use std::time::Duration;

use http::Method;

use crate::support::{Backend, client, expect_ok, fetch};
use crate::wait::wait_until;

/// A backend that sends more than its response answers no other request with them.
#[tokio::test]
async fn stray_bytes_are_no_response() {
    const STRAY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray";
    for (method, response) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n"),
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        (Method::GET, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        (Method::GET, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ] {
        for pause in [0, 0, 1] {
            let backend = Backend::start(move |mut connection, number| async move {
                if number > 0 {
                    return connection.serve().await;
                }
                connection.head().await;
                if pause == 0 {
                    connection.write(&[response, STRAY].concat()).await;
                } else {
                    connection.write(response).await;
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    connection.write(STRAY).await;
                }
                connection.closed().await;
            })
            .await;
            let client = client();
            fetch(&client, backend.request(method.clone(), "/")).await.unwrap();
            if pause > 0 {
                // Bytes that come after the next request look like its response.
                let is_closed = async || client.connections()[0].open == 0;
                wait_until(Duration::from_secs(10), "closed", is_closed).await;
            }
            expect_ok(&client, backend.get()).await;
        }
    }
}
