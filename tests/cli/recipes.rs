//! The recipes of `examples/deploy`: their lines run against a gateway, with a good and a bad version.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::backends::{self, Health, Load};
use crate::harness::Gateway;
use crate::program::{CANARY, run};

/// A plan that ends within half a minute, and finds a version that fails every request.
const PLAN: &str = r#"{"steps": [50], "hold": "60s", "bake": {"hold": "1s"}, "guard": {"leastRequests": 1, "leastWindows": 1}}"#;

/// The same for a version that works.
const QUICK: &str = r#"{"steps": [50], "hold": "1s", "bake": {"hold": "1s"}, "guard": {"leastRequests": 1, "leastWindows": 1}}"#;

/// A gateway with a service that has an old version, and a new version that is not registered.
struct Scene {
    gateway: Gateway,
    service: &'static str,
    backend: String,
    /// Whether nothing listens at `backend`.
    is_down: bool,
    folder: TempDir,
    _load: Load,
}

impl Scene {
    fn new(service: &'static str, health: Option<Health>) -> Self {
        let gateway = Gateway::start(&["--no-demo"]);
        let old = backends::start(Health::Good);
        let registered = run(&gateway, &["register", service, "v1", &old]);
        assert_eq!(registered.code, Some(0), "{registered:?}");
        let load = Load::start(&gateway.data, service);
        let backend = health.map_or_else(|| "http://127.0.0.1:1".to_owned(), backends::start);
        let folder = tempfile::tempdir().unwrap();
        let plan = if matches!(health, Some(Health::Good)) { QUICK } else { PLAN };
        std::fs::write(folder.path().join("plan.json"), plan).unwrap();
        Self { gateway, service, backend, is_down: health.is_none(), folder, _load: load }
    }

    /// Returns a shell in the folder, with the program and stand-ins for the tools of the machine in its path.
    fn shell(&self, arguments: &[&str]) -> Command {
        let bin = self.folder.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for (name, text) in STAND_INS {
            let file = bin.join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let program = Path::new(CANARY).parent().unwrap();
        let path = format!("{}:{}:{}", bin.display(), program.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.args(arguments).current_dir(self.folder.path()).env("PATH", path);
        shell.env("CANARY_URL", &self.gateway.admin).env("CANARY_TOKEN", &self.gateway.token);
        shell
            .env("VERSION", "v2")
            .env("BACKEND", &self.backend)
            .env("PLAN", self.folder.path().join("plan.json"));
        shell.env("GITHUB_RUN_NUMBER", "7").env("CI_PIPELINE_IID", "7");
        shell.env("LOG", self.folder.path().join("log")).env("PROGRAMS", program);
        shell
    }

    /// Runs the lines of a job: each in a shell that ends at the first failure, as the runners do.
    fn job(&self, lines: &[String]) -> Option<i32> {
        for line in lines {
            let output = self.shell(&["-e", "-o", "pipefail", "-c", &self.shortened(line)]).output().unwrap();
            if !output.status.success() {
                println!("{output:?}");
                return output.status.code();
            }
        }
        Some(0)
    }

    /// A version that does not start is not waited for as long as in a real job.
    fn shortened(&self, line: &str) -> String {
        let start = if self.is_down { "--timeout 3s" } else { "--timeout 2m" };
        line.replace("--timeout 2m", start).replace("--timeout 4h", "--timeout 3m")
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Output {
        let text = std::fs::read_to_string(recipe(name)).unwrap();
        let file = self.folder.path().join(name);
        std::fs::write(&file, self.shortened(&text)).unwrap();
        let (address, port) = self.backend.trim_start_matches("http://").split_once(':').unwrap();
        let file = file.to_str().unwrap();
        self.shell(&[&[file], arguments, &[address, "v2", "v1", port]].concat()).output().unwrap()
    }

    /// Returns the weight of the new version.
    fn weight(&self) -> Value {
        let status = run(&self.gateway, &["status", self.service, "--output", "json"]);
        let split: Value = serde_json::from_str(&status.stdout).unwrap();
        let versions = split["versions"].as_array().unwrap();
        versions
            .iter()
            .find(|version| version["version"] == "v2")
            .map_or(Value::Null, |v| v["weight"].clone())
    }

    /// Returns what the stand-ins were asked to do.
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Tools of a machine that this one may lack. They write down what they are asked to do.
const STAND_INS: [(&str, &str); 4] = [
    ("rsync", "#!/bin/sh\necho \"rsync $*\" >> \"$LOG\"\n"),
    ("ssh", "#!/bin/sh\necho \"ssh $*\" >> \"$LOG\"\n"),
    ("docker", "#!/bin/sh\necho \"docker $*\" >> \"$LOG\"\n[ \"$1\" != start ]\n"),
    ("systemctl", "#!/bin/sh\necho \"systemctl $*\" >> \"$LOG\"\n"),
];

fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/deploy").join(name)
}

fn yaml(name: &str) -> Value {
    yaml_serde::from_str(&std::fs::read_to_string(recipe(name)).unwrap()).unwrap()
}

/// Returns the `run:` lines of the steps that do not run in any case.
fn github_lines() -> Vec<String> {
    let workflow = yaml("github-actions.yml");
    let steps = workflow["jobs"]["deploy"]["steps"].as_array().unwrap();
    let usual = steps.iter().filter(|step| step["if"].is_null());
    usual.filter_map(|step| Some(step["run"].as_str()?.to_owned())).collect()
}

fn gitlab_lines(part: &str) -> Vec<String> {
    let job = &yaml("gitlab-ci.yml")["deploy"];
    job[part].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

fn assert_code(lines: &[String], health: Option<Health>, code: i32, weight: u8) {
    assert!(lines.len() >= 2, "{lines:?}");
    let scene = Scene::new("checkout", health);
    assert_eq!(scene.job(lines), Some(code));
    assert_eq!(scene.weight(), Value::from(weight));
    assert_eq!(scene.job(&gitlab_lines("after_script")), Some(0));
}

#[test]
fn github_job_ends_with_a_good_version() {
    assert_code(&github_lines(), Some(Health::Good), 0, 100);
}

#[test]
fn github_job_takes_back_a_failing_version() {
    assert_code(&github_lines(), Some(Health::Failing), 6, 0);
}

#[test]
fn github_job_stops_at_a_version_that_is_down() {
    assert_code(&github_lines(), None, 5, 0);
}

#[test]
fn gitlab_job_ends_with_a_good_version() {
    assert_code(&gitlab_lines("script"), Some(Health::Good), 0, 100);
}

#[test]
fn gitlab_job_takes_back_a_failing_version() {
    assert_code(&gitlab_lines("script"), Some(Health::Failing), 6, 0);
}

#[test]
fn gitlab_job_stops_at_a_version_that_is_down() {
    assert_code(&gitlab_lines("script"), None, 5, 0);
}

#[test]
fn systemd_script_replaces_the_old_version() {
    let scene = Scene::new("app", Some(Health::Good));
    let output = scene.script("systemd.sh", &["web-1"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let log = scene.log();
    let position = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text}: {log}"));
    assert!(position("systemctl start app@v2") < position("systemctl stop app@v1"));
    assert_eq!(scene.weight(), Value::from(100));
    let status = run(&scene.gateway, &["status", "app"]);
    assert!(!status.stdout.contains("v1 "), "{status:?}");
}

#[test]
fn systemd_script_leaves_the_old_version_when_the_new_one_fails() {
    for (health, code) in [(Some(Health::Failing), 6), (None, 5)] {
        let scene = Scene::new("app", health);
        let output = scene.script("systemd.sh", &["web-1"]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(!scene.log().contains("stop"), "{}", scene.log());
        assert_eq!(scene.weight(), Value::from(0));
    }
}

#[test]
fn docker_script_replaces_the_old_version() {
    let scene = Scene::new("app", Some(Health::Good));
    let output = scene.script("docker.sh", &["registry.internal/app"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let log = scene.log();
    let run = "docker run --detach --name app-v2 ";
    assert!(log.contains(run) && log.contains("docker stop app-v1"), "{log}");
}

#[test]
fn docker_script_leaves_the_old_version_when_the_new_one_fails() {
    for (health, code) in [(Some(Health::Failing), 6), (None, 5)] {
        let scene = Scene::new("app", health);
        let output = scene.script("docker.sh", &["registry.internal/app"]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(!scene.log().contains("docker stop"), "{}", scene.log());
    }
}

#[test]
fn units_are_valid() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return println!("skipped: systemd-analyze is not installed");
    }
    // The programs are not installed where the units expect them, which is all that may be wrong.
    let units = ["gateway.service", "app@.service"].map(recipe);
    let output = Command::new("systemd-analyze").arg("verify").args(units).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let others: Vec<&str> = text.lines().filter(|line| !line.contains("is not executable")).collect();
    assert_eq!(others, [""; 0]);
}
