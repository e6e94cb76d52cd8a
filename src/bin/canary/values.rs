//! Values of arguments. A value that the API would refuse is refused before a call is made.

use std::collections::BTreeMap;
use std::time::Duration;

use tower_canary::routing::{Backend, Instances, InvalidWeight, VersionName, Weight};

use crate::failure::Failure;

/// Reads a time with its unit, from 1ms to 30 days: `500ms`, `30s`, `10m`, `4h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|_| "give a time with its unit, such as 500ms, 30s, 10m or 4h".to_owned())?;
    if time < Duration::from_millis(1) || time > Duration::from_hours(24 * 30) {
        return Err("give a time from 1ms to 30days".into());
    }
    Ok(time)
}

/// Reads a weight in percent, with or without the sign.
pub(crate) fn weight(text: &str) -> Result<Weight, InvalidWeight> {
    text.strip_suffix('%').unwrap_or(text).parse()
}

/// Reads the base URLs of a version.
pub(crate) fn instances(urls: &[Backend]) -> Result<Instances, Failure> {
    Instances::new(urls.to_vec()).map_err(|error| Failure::usage(error.to_string()))
}

/// The weights that `canary weight` sets.
#[derive(Debug, PartialEq)]
pub(crate) enum Weights {
    /// One version. The others share the rest.
    One(VersionName, Weight),
    /// The whole split.
    All(BTreeMap<VersionName, Weight>),
}

impl Weights {
    /// Reads `VERSION N` or `VERSION=N VERSION=N …`.
    pub(crate) fn read(words: &[String]) -> Result<Self, Failure> {
        match words {
            [version, number] if !version.contains('=') && !number.contains('=') => {
                Ok(Self::One(name(version)?, percentage(number)?))
            }
            _ => whole_split(words).map(Self::All),
        }
    }
}

/// Parses the weights of a whole split, each as `VERSION=N`. They total 100 percent.
fn whole_split(words: &[String]) -> Result<BTreeMap<VersionName, Weight>, Failure> {
    let mut weights = BTreeMap::new();
    for word in words {
        let Some((version, number)) = word.split_once('=') else {
            return Err(Failure::usage("give VERSION N, or the whole split as VERSION=N VERSION=N …"));
        };
        if weights.insert(name(version)?, percentage(number)?).is_some() {
            return Err(Failure::usage(format!("{version} is named twice")));
        }
    }
    let total: u32 = weights.values().map(|weight| u32::from(weight.hundredths())).sum();
    if total != u32::from(Weight::FULL.hundredths()) {
        let total = f64::from(total) / 100.0;
        return Err(Failure::usage(format!("the weights total {total} %: the whole split is 100 %")));
    }
    Ok(weights)
}

/// Parses the name of a version.
fn name(text: &str) -> Result<VersionName, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{error}")))
}

/// Parses a weight in percent.
fn percentage(text: &str) -> Result<Weight, Failure> {
    weight(text).map_err(|error| Failure::usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Weights, duration};

    fn read(words: &[&str]) -> Result<Weights, String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Weights::read(&words).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn both_forms_of_weights_are_read() {
        assert_eq!(
            read(&["v1.1", "12.5%"]),
            Ok(Weights::One("v1.1".parse().unwrap(), "12.5".parse().unwrap()))
        );
        let Ok(Weights::All(split)) = read(&["v1=70", "v2=30"]) else { panic!("no split") };
        assert_eq!(split.len(), 2);
    }

    #[test]
    fn wrong_weights_are_refused() {
        for words in
            [&["v1.1"][..], &["v1.1", "101"], &["v1=70", "v2=31"], &["v1=50", "v1=50"], &["v1=70", "30"]]
        {
            assert!(read(words).unwrap_err().contains("Usage"), "{words:?}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert!(duration("10").is_err() && duration("0s").is_err() && duration("9999days").is_err());
        // The API gets whole milliseconds.
        assert!(duration("1ms").is_ok() && duration("999us").is_err());
    }
}
