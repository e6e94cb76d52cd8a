//! Simulates the guard of rollouts beside the rules of other systems, on the same traffic: `cargo bench --bench guard`.
//!
//! It runs the real guard with its default policy and prints two tables: how often a canary that is no worse is taken back,
//! and how soon one that is worse. The same sizes print the same tables.
//!
//! ```sh
//! CANARY_SIM_RUNS=5000 CANARY_SIM_THREADS=2 cargo bench --bench guard
//! ```
#![expect(clippy::unwrap_used, reason = "a simulation stops where it is wrong")]
#![expect(clippy::disallowed_methods, reason = "a simulation reads its size from the environment")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of requests are small"
)]

mod chance;
mod judges;
mod latency;
mod runs;
mod scenes;

use std::env;
use std::num::NonZero;

use judges::NAMES;
use runs::{Runs, Size};

fn main() {
    // `cargo test --benches` runs this without the argument.
    let runs = if env::args().any(|argument| argument == "--bench") { 1_000 } else { 10 };
    let size = Size { runs: setting("CANARY_SIM_RUNS", runs), threads: threads() };
    println!(
        "{} runs of each row; windows of ten seconds, 1,000 requests in each unless it says otherwise\n",
        size.runs
    );
    print_good(size);
    print_bad(size);
    print_latency(size);
}

fn threads() -> NonZero<usize> {
    let most = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    NonZero::new(setting("CANARY_SIM_THREADS", most.min(2)) as usize).unwrap_or(NonZero::<usize>::MIN)
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

fn print_good(size: Size) {
    println!("A canary that is no worse, for an hour: runs in which it is taken back\n");
    println!("| rate of failures of both | {} |\n| --- |{}", NAMES.join(" | "), " --- |".repeat(NAMES.len()));
    for requests in [10, 100, 5_000] {
        for scene in &scenes::GOOD[..3] {
            let name = format!("{}, {requests} requests a window", scene.name);
            print_false(&name, &runs::run(&scene.with_requests(requests), size));
        }
    }
    for scene in scenes::GOOD {
        print_false(scene.name, &runs::run(scene, size));
    }
    println!();
}

fn print_false(name: &str, judges: &[Runs]) {
    let cells: Vec<String> = judges.iter().map(|runs| runs.found().to_string()).collect();
    println!("| {name} | {} |", cells.join(" | "));
}

fn print_bad(size: Size) {
    println!(
        "A canary that is worse: found; canary requests until then, median and 95 %; windows, 95 %; failed requests of users per run\n"
    );
    println!("| how much worse | {} |\n| --- |{}", NAMES.join(" | "), " --- |".repeat(NAMES.len()));
    for scene in scenes::BAD {
        let judges = runs::run(scene, size);
        let cells: Vec<String> = judges.iter().map(found).collect();
        println!("| {} | {} |", scene.name, cells.join(" | "));
    }
    println!();
}

fn found(runs: &Runs) -> String {
    let share = 100.0 * runs.share();
    let failed = runs.failed();
    match (runs.requests(0.5), runs.requests(0.95), runs.windows(0.95)) {
        (Some(median), Some(most), Some(windows)) => {
            format!("{share:.1} %; {median}, {most}; {windows}; {failed:.0}")
        }
        _ => format!("never; {failed:.0}"),
    }
}

fn print_latency(size: Size) {
    println!("Latency, half an hour, 50 canary requests a window: found; canary requests, median and 95 %\n");
    println!("| canary | guard | p95 of a minute above 1.2 times the others' |\n| --- | --- | --- |");
    for scene in latency::GOOD.iter().chain(latency::BAD) {
        let cells: Vec<String> = latency::run(scene, size).iter().map(found_slower).collect();
        println!("| {} | {} |", scene.name, cells.join(" | "));
    }
}

fn found_slower(runs: &Runs) -> String {
    match (runs.requests(0.5), runs.requests(0.95)) {
        (Some(median), Some(most)) => format!("{:.1} %; {median}, {most}", 100.0 * runs.share()),
        _ => "0".to_owned(),
    }
}
