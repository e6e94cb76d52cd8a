//! A version with several instances, each in its own process, behind a gateway.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Gateway, read_url};
use crate::versions::Process;
use crate::wait::wait_until;

/// The path that instances are checked at. The processes respond to every path.
pub(crate) const HEALTH_PATH: &str = "/healthz";

/// Options for frequent checks, which find a failed response within a second. Their time limit is the default one: on a slow
/// machine a shorter one would end checks of healthy instances.
pub(crate) const FAST_CHECKS: [&str; 3] = ["--no-demo", "--health-interval", "200ms"];

/// The processes of one version.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) processes: Vec<Process>,
}

impl Fleet {
    pub(crate) fn start<const N: usize>(names: [&'static str; N]) -> Self {
        Self { processes: names.into_iter().map(Process::start).collect() }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.processes.iter().map(|process| process.url.clone()).collect()
    }

    /// Registers the processes as the instances of `version`, and waits until all of them are up.
    pub(crate) async fn register(&self, gateway: &Gateway, version: &str) {
        gateway.register_instances("auth", version, &self.urls(), HEALTH_PATH).await;
        for url in self.urls() {
            gateway.wait_state("auth", &url, "up").await;
        }
    }
}

impl Gateway {
    /// Registers a version with these instances, without a check.
    pub(crate) async fn register_instances(
        &self,
        service: &str,
        version: &str,
        urls: &[String],
        health: &str,
    ) {
        let path = format!("/routing/services/{service}/versions?force=true");
        let body = json!({ "version": version, "urls": urls, "healthPath": health });
        self.admin(Method::POST, &path, body).await;
    }

    /// Returns the state of the instance at `url`, with its version.
    pub(crate) async fn instance(&self, service: &str, url: &str) -> Value {
        let versions = self.versions(service).await;
        let mut all = versions.iter().flat_map(|version| version["instances"].as_array().unwrap());
        all.find(|instance| instance["url"] == url).unwrap_or_else(|| panic!("{url} is missing")).clone()
    }

    /// Waits until the instance at `url` has `state`. Returns how long that took.
    pub(crate) async fn wait_state(&self, service: &str, url: &str, state: &str) -> Duration {
        wait_until(Duration::from_secs(90), state, async || {
            self.instance(service, url).await["state"] == state
        })
        .await
    }

    /// Returns the figures of the instance at `url` of `version`.
    pub(crate) async fn instance_traffic(&self, service: &str, version: &str, url: &str) -> Value {
        let traffic = self.version_traffic(service, version).await;
        let instances = traffic["instances"].as_array().unwrap();
        instances.iter().find(|instance| instance["url"] == url).unwrap().clone()
    }

    /// Returns the figures of `version`.
    pub(crate) async fn version_traffic(&self, service: &str, version: &str) -> Value {
        let path = format!("/deployment/services/{service}/traffic?version={version}");
        let mut traffic = self.admin(Method::GET, &path, Value::Null).await;
        traffic["versions"][0].take()
    }

    /// Sets the URLs of a version: `urls`, `addUrls` or `removeUrls`.
    pub(crate) async fn change_urls(&self, service: &str, version: &str, field: &str, urls: &[&str]) {
        let path = format!("/routing/services/{service}/versions/{version}");
        self.admin(Method::PUT, &path, json!({ field: urls })).await;
    }

    /// Returns the value of the series of a metric that has all of `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let page = read_url(&self.admin.replace("/api/v1/admin", "/metrics")).await.text;
        let mut series = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let line = series.find(|line| labels.iter().all(|label| line.contains(label)))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Returns the status of `/readyz`.
    pub(crate) async fn readiness(&self) -> u16 {
        read_url(&self.admin.replace("/api/v1/admin", "/readyz")).await.status.as_u16()
    }

    pub(crate) async fn wait_ready(&self) -> Duration {
        wait_until(Duration::from_secs(30), "ready", async || self.readiness().await == 200).await
    }
}
