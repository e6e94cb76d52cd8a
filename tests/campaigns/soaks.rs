//! Long soaks of a gateway under all kinds of traffic.

use std::time::Duration;

use crate::setting;
use crate::soak::{Resources, SoakReport, soak};

/// Maximum growth of the mean memory from the second third to the last, in KiB.
const GROWTH: f64 = 1_024.0;

// Memory, files and tasks do not grow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn soaked_gateway_leaks_nothing() {
    fn memory(third: &[Resources]) -> f64 {
        mean(&third.iter().map(|resources| resources.memory as f64).collect::<Vec<_>>())
    }

    let minutes = setting("CANARY_SOAK_MINUTES", 10);
    let SoakReport { samples, before, after, done } = soak(Duration::from_secs(60 * minutes)).await;
    println!("{minutes} minutes: {done:?}");
    println!("{before:?} before, {after:?} after");
    let thirds: Vec<_> = samples.chunks(samples.len().div_ceil(3)).collect();
    for (name, get) in [
        ("memory in KiB", (|resources: &Resources| resources.memory as f64) as fn(&Resources) -> f64),
        ("files", |resources| resources.files as f64),
        ("files of the database", |resources| resources.database_files as f64),
        ("tasks", |resources| resources.tasks as f64),
    ] {
        let means = thirds.iter().map(|third| mean(&third.iter().map(get).collect::<Vec<_>>()));
        let settled: Vec<_> = samples[thirds[0].len()..].iter().map(get).collect();
        let (slope, error) = slope(&settled);
        let slope = slope * 3_600.0;
        let error = error * 3_600.0;
        println!(
            "{name}: means of thirds {:.1?}, after the first {slope:.1} ± {error:.1} an hour",
            means.collect::<Vec<_>>()
        );
    }
    let growth = memory(thirds[2]) - memory(thirds[1]);
    assert!(growth <= GROWTH, "memory grew by {growth} KiB");
    assert!(after.has_no_leak_since(before));
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the least-squares slope of values that are one second apart, and its standard error.
fn slope(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let x = (n - 1.0) / 2.0;
    let y = mean(values);
    let from_middle = || (0_u32..).map(|i| f64::from(i) - x).zip(values);
    let spread: f64 = from_middle().map(|(x, _)| x * x).sum();
    let slope = from_middle().map(|(x, value)| x * (value - y)).sum::<f64>() / spread;
    let left: f64 = from_middle().map(|(x, value)| (value - y - slope * x).powi(2)).sum();
    (slope, (left / (n - 2.0) / spread).sqrt())
}

#[test]
fn slope_error_reflects_noise() {
    let line: Vec<_> = (0..100).map(|i| 3.0 + 0.5 * f64::from(i)).collect();
    let (found, error) = slope(&line);
    assert!((found - 0.5).abs() < 1e-9 && error < 1e-6, "{found} ± {error}");
    let noise: Vec<_> = (0..100).map(|i| f64::from(i % 2)).collect();
    let (found, error) = slope(&noise);
    assert!(found.abs() < 2.0 * error && error > 1e-4, "{found} ± {error}");
}
