//! A backend that closes connections after one idle second, without announcing it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use crate::harness::{Gateway, client, full, read};
use crate::setting;

const IDLE: Duration = Duration::from_secs(1);

/// Requests in a second.
const RATE: u64 = 100;

/// Time of one request, so that a burst needs many connections.
const SERVICE_TIME: Duration = Duration::from_millis(20);

/// How often the backend has processed each request line.
type Processed = Arc<Mutex<HashMap<String, usize>>>;

async fn impatient_backend(processed: Processed) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream, Arc::clone(&processed)));
        }
    });
    url
}

async fn serve(stream: TcpStream, processed: Processed) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let head = timeout(IDLE, head(&mut stream)).await.ok()??;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await.ok()?;
        *processed.lock().unwrap().entry(head.lines().next()?.to_owned()).or_default() += 1;
        sleep(SERVICE_TIME).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.ok()?;
    }
}

async fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).await.ok().filter(|count| *count > 0)?;
    }
    Some(head)
}

/// Every fourth request is a POST.
fn request(gateway: &Gateway, number: u64) -> Request<crate::harness::AnyBody> {
    let is_post = number.is_multiple_of(4);
    let request = Request::builder().uri(gateway.url(&format!("/auth/{number}")));
    let method = if is_post { Method::POST } else { Method::GET };
    request.method(method).body(full(if is_post { "order" } else { "" })).unwrap()
}

/// The first half of the requests comes at a steady rate, the second half in bursts that meet the connections when the
/// backend closes them. Returns the statuses that were not 200.
async fn load(gateway: &Gateway, seconds: u64) -> Vec<(Method, StatusCode)> {
    let client = client();
    let mut running = JoinSet::new();
    let mut steady = interval(Duration::from_secs(1) / u32::try_from(RATE).unwrap());
    for number in 0..seconds * RATE {
        if number < seconds * RATE / 2 {
            steady.tick().await;
        } else if number.is_multiple_of(RATE) {
            let jitter = Duration::from_millis(rand::random_range(0..40));
            sleep(IDLE + SERVICE_TIME - Duration::from_millis(20) + jitter).await;
        }
        let request = request(gateway, number);
        let client = client.clone();
        running.spawn(async move {
            let method = request.method().clone();
            (method, read(client.request(request).await.unwrap()).await.status)
        });
    }
    let responses = running.join_all().await;
    responses.into_iter().filter(|(_, status)| *status != StatusCode::OK).collect()
}

async fn gets_never_fail(seconds: u64) {
    let processed = Processed::default();
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &impatient_backend(Arc::clone(&processed)).await).await;
    let failed = load(&gateway, seconds).await;
    let posts = failed.iter().filter(|(method, _)| method == Method::POST).count();
    let processed = processed.lock().unwrap();
    let twice = processed.iter().filter(|(_, count)| **count > 1).map(|(line, _)| line).collect::<Vec<_>>();
    println!(
        "{} requests: {} of GET failed, {posts} of POST failed, {} were processed twice",
        seconds * RATE,
        failed.len() - posts,
        twice.len()
    );
    assert_eq!(failed.len(), posts, "{failed:?}");
    // A POST that met a closing connection may have been processed, so it is not repeated.
    assert!(failed.iter().all(|(_, status)| *status == StatusCode::BAD_GATEWAY), "{failed:?}");
    assert!(!twice.iter().any(|line| line.starts_with("POST")), "{twice:?}");
    assert!(processed.len() as u64 >= seconds * RATE - posts as u64, "{}", processed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impatient_backend_fails_no_get() {
    gets_never_fail(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn impatient_backend_fails_no_get_for_a_minute() {
    gets_never_fail(setting("CANARY_CAMPAIGN_IMPATIENT_SECONDS", 60)).await;
}
