//! One of eight instances that takes four times as long: two choices beside a round robin.
//!
//! Each instance serves eight requests at a time, and the load is 0.7 of what all of them can serve.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::backends::{Backend, backend};
use crate::harness::{Gateway, full};
use crate::paced::{Answers, Paced};
use crate::setting;

const INSTANCES: usize = 8;
const PLACES: usize = 8;
const SERVICE_TIME: Duration = Duration::from_millis(80);

/// 0.7 of 8 × 8 requests in 80 ms.
const RATE: u32 = 560;

/// An instance that serves `PLACES` requests at a time, each for `time`. The others wait in order.
async fn instance(time: Duration) -> Backend {
    let places = Arc::new(Semaphore::new(PLACES));
    backend(move |_| {
        let places = Arc::clone(&places);
        async move {
            let _place = places.acquire().await.unwrap();
            sleep(time).await;
            Response::new(full("ok"))
        }
    })
    .await
}

async fn instances(times: [Duration; INSTANCES]) -> Vec<Backend> {
    let mut all = Vec::new();
    for time in times {
        all.push(instance(time).await);
    }
    all
}

async fn load(urls: Vec<String>) -> Answers {
    let load = Paced::start(Method::GET, urls, RATE);
    sleep(Duration::from_secs(setting("CANARY_CAMPAIGN_SLUGGISH_SECONDS", 30))).await;
    let answers = load.end().await;
    assert!(answers.failures().is_empty(), "{:?}", answers.failures().first());
    answers
}

/// Sends the load through a gateway that balances between `backends`.
async fn balanced(backends: &[Backend]) -> Answers {
    let gateway = Gateway::start(&["--no-demo", "--threads", "2"]);
    let urls: Vec<_> = backends.iter().map(|backend| &backend.url).collect();
    let body = json!({ "version": "v1", "urls": urls });
    gateway.admin(Method::POST, "/routing/services/auth/versions?force=true", body).await;
    load(vec![gateway.url("/auth/")]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn sluggish_instance_hardly_matters() {
    let equal = [SERVICE_TIME; INSTANCES];
    let mut one_slow = equal;
    one_slow[3] *= 4;
    let all_equal = balanced(&instances(equal).await).await.percentile(99);
    let two_choices = balanced(&instances(one_slow).await).await.percentile(99);
    let slow = instances(one_slow).await;
    let round_robin = load(slow.iter().map(|backend| backend.url.clone()).collect()).await.percentile(99);
    println!(
        "p99: all equal {all_equal:.1?}; one four times slower {two_choices:.1?}, by a round robin {round_robin:.1?}"
    );
    assert!(two_choices <= 2 * all_equal.max(4 * SERVICE_TIME), "{two_choices:?}, all equal {all_equal:?}");
    assert!(round_robin > 3 * two_choices, "{round_robin:?}");
}
