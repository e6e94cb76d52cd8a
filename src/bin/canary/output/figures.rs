//! Numbers as text, each with its unit.

use std::time::{Duration, SystemTime};

use tower_canary::api::{ActivityView, Percent, Timestamp, WindowView};

/// What stands in the place of a figure that is not known.
pub(crate) const NONE: &str = "–";

/// With fewer requests a percentage says nothing.
pub(crate) const LEAST_REQUESTS: u64 = 30;

/// Returns a share in percent, or `n=` and the number of requests if there were too few for a percentage. A dash: it is not
/// known.
pub(crate) fn share(window: &WindowView) -> String {
    match &window.share {
        Some(share) if share.of >= LEAST_REQUESTS => format!("{:.1} %", share.observed),
        Some(share) => format!("n={}", share.of),
        None => NONE.into(),
    }
}

/// Returns the 95 % interval of a share in percent, or a dash if there were too few requests for one.
pub(crate) fn interval(window: &WindowView) -> String {
    match &window.share {
        Some(share) if share.of >= LEAST_REQUESTS => format!("{:.1} to {:.1} %", share.low, share.high),
        _ => NONE.into(),
    }
}

/// Returns the part of the requests with one of these outcomes, in percent of those that ended. If too few ended for a
/// percentage it returns `n=` and their number, and without rates a dash.
pub(crate) fn rate(figures: &ActivityView, outcomes: &[&str]) -> String {
    let Some(rates) = &figures.rates else { return NONE.into() };
    if rates.n < LEAST_REQUESTS {
        return format!("n={}", rates.n);
    }
    percent(outcomes.iter().filter_map(|outcome| rates.outcomes.get(*outcome)).sum())
}

/// Returns a percentage with two decimals at most.
pub(crate) fn percent(percent: f64) -> String {
    let rounded = (percent * 100.0).round() / 100.0;
    format!("{rounded} %")
}

/// Returns the weight of a version that may be gone.
pub(crate) fn weight(weight: Option<Percent>) -> String {
    weight.map_or_else(|| NONE.into(), |weight| format!("{weight} %"))
}

/// Returns a time in milliseconds without needless decimals.
pub(crate) fn milliseconds(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => NONE.into(),
        Some(time) if time < 10.0 => format!("{time:.1} ms"),
        Some(time) => format!("{time:.0} ms"),
    }
}

/// Returns requests per second.
pub(crate) fn per_second(rate: f64) -> String {
    if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// Returns a count with commas between thousands.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Returns a time in its two largest units: `3m 22s`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let units =
        [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let used = units.iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0);
    let words: Vec<String> = used.map(|(count, unit)| format!("{count}{unit}")).collect();
    if words.is_empty() { "0s".into() } else { words.join(" ") }
}

/// Returns how long ago `at` was.
pub(crate) fn ago(at: Timestamp) -> String {
    let passed = SystemTime::now().duration_since(at.system_time()).unwrap_or_default();
    format!("{} ago", time(passed))
}

/// Returns a point in time to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    humantime::format_rfc3339_seconds(at.system_time()).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{count, milliseconds, per_second, percent, time};

    #[test]
    fn figures_have_units_and_few_digits() {
        assert_eq!((percent(0.256), percent(12.0)), ("0.26 %".into(), "12 %".into()));
        assert_eq!((milliseconds(Some(3.12)), milliseconds(Some(91.4))), ("3.1 ms".into(), "91 ms".into()));
        assert_eq!((per_second(41.52), per_second(1234.5)), ("41.5".into(), "1234".into()));
        assert_eq!((count(0), count(999), count(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        assert_eq!(milliseconds(None), "–");
    }

    #[test]
    fn times_have_two_units() {
        let texts = [0, 59, 202, 3_600, 90_061].map(|seconds| time(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0s", "59s", "3m 22s", "1h", "1d 1h"]);
    }
}
