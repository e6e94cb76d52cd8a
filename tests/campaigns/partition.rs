//! Two gateways on one database, of which one cannot reach an instance.
//!
//! The second gateway runs in a network namespace of its own, which needs root and `ip` (iproute2). The partition drops its
//! packets to the instance silently.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::fleet::HEALTH_PATH;
use crate::harness::Gateway;
use crate::launch::command;
use crate::paced::Paced;
use crate::support::{history, read_split};
use crate::versions::Process;
use crate::wait::wait_until;

/// Addresses of this side: of the gateway's admin API as the tests reach it, and of the two instances.
const HERE: [&str; 2] = ["10.199.77.1", "10.199.77.2"];
/// The address of the gateway in the namespace.
const THERE: &str = "10.199.77.9";

/// A request to the instance that cannot be reached ends soon, so that the instance drains.
const CHECKS: [&str; 7] =
    ["--no-demo", "--health-interval", "500ms", "--health-timeout", "500ms", "--response-timeout", "2s"];

/// Time until a gateway follows a change: a poll.
const POLL: Duration = Duration::from_secs(3);

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// A network namespace that reaches this one, removed when dropped.
struct Namespace {
    name: String,
    here: String,
}

impl Namespace {
    /// Creates the namespace, unless this user may not.
    fn create() -> Option<Self> {
        let id = std::process::id();
        let namespace = Self { name: format!("canary{id}"), here: format!("cnr{id}") };
        let Self { name, here } = &namespace;
        let there = "there";
        let commands = [
            format!("netns add {name}"),
            format!("link add {here} type veth peer name {there} netns {name}"),
            format!("addr add {}/24 dev {here}", HERE[0]),
            format!("addr add {}/24 dev {here}", HERE[1]),
            format!("link set {here} up"),
            format!("-n {name} addr add {THERE}/24 dev {there}"),
            format!("-n {name} link set {there} up"),
            format!("-n {name} link set lo up"),
        ];
        commands.iter().all(|command| ip(command)).then_some(namespace)
    }

    /// Drops all packets from the namespace to `address`: they are sent to a network card that does not exist.
    fn cut_off(&self, address: &str) {
        assert!(ip(&format!(
            "-n {} neigh replace {address} lladdr 02:00:00:00:00:99 dev there nud permanent",
            self.name
        )));
    }

    fn reconnect(&self, address: &str) {
        assert!(ip(&format!("-n {} neigh del {address} dev there", self.name)));
    }

    /// Starts a gateway in the namespace, on the database in `dir`.
    fn start_gateway(&self, dir: &Path, options: &[&str]) -> Gateway {
        let outside = command(dir);
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.name]).arg(outside.get_program()).args(outside.get_args());
        for (variable, _) in outside.get_envs() {
            inside.env_remove(variable);
        }
        let address = format!("{THERE}:0");
        let own = ["--name", "there", "--listen", &address, "--admin", &address];
        Gateway::run(inside, &[options, &own].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.here));
        ip(&format!("netns del {}", self.name));
    }
}

/// Returns the stored split and the number of changes.
async fn stored(gateway: &Gateway) -> (Value, usize) {
    let split = read_split(gateway, "auth").await;
    (split["generation"].clone(), history(gateway, "auth").await.len())
}

/// Two gateways on one database. One of them is in the namespace.
struct Pair {
    here: Gateway,
    there: Gateway,
    instances: [Process; 2],
    _dir: TempDir,
}

impl Pair {
    async fn start(namespace: &Namespace) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let instances = HERE.map(|host| Process::start_at("v1", format!("{host}:0").parse().unwrap()));
        let urls = instances.each_ref().map(|process| process.url.clone());
        let here = Gateway::start_in(dir.path(), &[&CHECKS[..], &["--name", "here"]].concat());
        let there = namespace.start_gateway(dir.path(), &CHECKS);
        here.register_instances("auth", "v1", &urls, HEALTH_PATH).await;
        here.wait_converged(&there).await;
        for url in &urls {
            here.wait_state("auth", url, "up").await;
            there.wait_state("auth", url, "up").await;
        }
        Self { here, there, instances, _dir: dir }
    }

    /// The instance that the gateway in the namespace cannot reach during a partition.
    fn url(&self) -> &str {
        &self.instances[1].url
    }

    /// Asserts that the other gateway keeps its own view of the instance, and that nothing was stored since `before`.
    async fn assert_here_unaffected(&self, before: &(Value, usize)) {
        assert_eq!(self.here.instance("auth", self.url()).await["state"], "up");
        sleep(POLL).await;
        assert_eq!(self.here.instance("auth", self.url()).await["state"], "up");
        assert_eq!(stored(&self.here).await, *before, "nothing is stored");
    }

    /// Removes the URL. Returns the times until each gateway has followed.
    async fn remove_url(&self) -> [Duration; 2] {
        self.here.change_urls("auth", "v1", "removeUrls", &[self.url()]).await;
        let mut times = [Duration::ZERO; 2];
        for (gateway, time) in [&self.here, &self.there].into_iter().zip(&mut times) {
            *time = wait_until(POLL, "the URL is gone", async || {
                let versions = gateway.versions("auth").await;
                versions[0]["instances"].as_array().unwrap().len() == 1
            })
            .await;
        }
        times
    }

    async fn wait_drained(&self) {
        let wait = "/deployment/services/auth/traffic?version=v1&wait=drained&timeout=30s";
        let drained = self.here.admin(Method::GET, &format!("{wait}&url={}", self.url()), Value::Null).await;
        assert_eq!(drained["versions"][0]["instances"][0]["drainedEverywhere"], true, "{drained}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn partitioned_gateway_has_its_own_view() {
    let Some(namespace) = Namespace::create() else {
        return println!("skipped: no network namespace can be created");
    };
    let pair = Pair::start(&namespace).await;
    let before = stored(&pair.here).await;
    let load = [&pair.here, &pair.there].map(|gateway| Paced::get(gateway.url("/auth/"), 50));
    sleep(Duration::from_secs(1)).await;

    namespace.cut_off(HERE[1]);
    let noticed = pair.there.wait_state("auth", pair.url(), "down").await;
    pair.assert_here_unaffected(&before).await;
    namespace.reconnect(HERE[1]);
    let healed = pair.there.wait_state("auth", pair.url(), "up").await;

    namespace.cut_off(HERE[1]);
    pair.there.wait_state("auth", pair.url(), "down").await;
    let ended = pair.remove_url().await;
    pair.wait_drained().await;
    let [here, there] = load.map(Paced::end);
    let [here, there] = [here.await.failures().len(), there.await.failures().len()];
    println!(
        "down at the partitioned gateway after {noticed:.1?}, up after {healed:.1?}, the URL gone after {ended:.1?}; \
         {here} requests failed here, {there} there"
    );
    assert_eq!(here, 0, "the other gateway is not affected");
}
