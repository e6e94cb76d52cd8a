//! Requests at a fixed rate: a request that hangs delays no other one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::harness::{HttpClient, client, empty, read};
use crate::versions::X_VERSION;

/// Maximum time of one request, longer than every limit of the gateway.
const PATIENCE: Duration = Duration::from_secs(90);

/// The end of one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    /// The status, or 0 without a response.
    pub(crate) status: u16,
    /// The name of the process that responded, if one did.
    pub(crate) name: String,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.status == 200
    }

    pub(crate) fn ended(&self) -> Instant {
        self.sent + self.took
    }
}

/// Requests in progress.
#[derive(Debug)]
pub(crate) struct Paced {
    stopped: Arc<AtomicBool>,
    sending: JoinHandle<Answers>,
}

/// All answers, in the order of their ends.
#[derive(Debug)]
pub(crate) struct Answers(pub(crate) Vec<Answer>);

impl Paced {
    /// Sends `rate` requests per second to each of `urls` in turn.
    pub(crate) fn start(method: Method, urls: Vec<String>, rate: u32) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let sending = tokio::spawn(send_all(method, urls, rate, Arc::clone(&stopped)));
        Self { stopped, sending }
    }

    pub(crate) fn get(url: String, rate: u32) -> Self {
        Self::start(Method::GET, vec![url], rate)
    }

    /// Sends no more, and waits for the last answer.
    pub(crate) async fn end(self) -> Answers {
        self.stopped.store(true, Ordering::Relaxed);
        self.sending.await.unwrap()
    }
}

async fn send_all(method: Method, urls: Vec<String>, rate: u32, stopped: Arc<AtomicBool>) -> Answers {
    let client = client();
    let (done, mut answers) = mpsc::unbounded_channel();
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for url in urls.iter().cycle() {
        ticks.tick().await;
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        let done = done.clone();
        let request = send(client.clone(), method.clone(), url.clone());
        tokio::spawn(async move {
            _ = done.send(request.await);
        });
    }
    drop(done);
    let mut all = Vec::new();
    while let Some(answer) = answers.recv().await {
        all.push(answer);
    }
    Answers(all)
}

async fn send(client: HttpClient, method: Method, url: String) -> Answer {
    let sent = Instant::now();
    let request = Request::builder().method(method).uri(url).body(empty()).unwrap();
    let response = timeout(PATIENCE, async { Some(read(client.request(request).await.ok()?).await) }).await;
    let took = sent.elapsed();
    let Ok(Some(response)) = response else {
        return Answer { sent, took, status: 0, name: String::new() };
    };
    let name = response.headers.get(X_VERSION).map_or("", |name| name.to_str().unwrap());
    Answer { sent, took, status: response.status.as_u16(), name: name.to_owned() }
}

impl Answers {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the answers that were no success.
    pub(crate) fn failures(&self) -> Vec<&Answer> {
        self.0.iter().filter(|answer| !answer.is_success()).collect()
    }

    /// Returns the number of successes by the name of the process.
    pub(crate) fn by_name(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for answer in self.0.iter().filter(|answer| answer.is_success()) {
            *counts.entry(&*answer.name).or_default() += 1;
        }
        counts
    }

    /// Returns the time that this share of the answers took at most.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut times: Vec<_> = self.0.iter().map(|answer| answer.took).collect();
        times.sort_unstable();
        times[(times.len() - 1) * percent / 100]
    }
}
