//! Windows of time in which a rollout may continue.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

/// The days as a plan writes them, in the order of ISO 8601.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The minutes of a day.
const DAY: i64 = 24 * 60;
/// The minutes of a week. A window that goes beyond its end goes on at its beginning.
const WEEK: i64 = 7 * DAY;
/// The weekday of the Unix epoch: a Thursday.
const EPOCH_DAY: i64 = 3;
/// The largest offset from UTC that any place has.
const MAX_OFFSET: i64 = 14 * 60;

/// A window of time in which a rollout may continue: weekdays, times and a fixed offset from UTC.
///
/// A window that ends at or before its start ends on the next day. There are no zones with summer time: write two windows,
/// or one that fits both.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use tower_canary::rollout::TimeWindow;
///
/// let office: TimeWindow = "mon-fri 08:00-16:00 +01:00".parse()?;
/// let thursday = |hours| UNIX_EPOCH + Duration::from_hours(hours); // 1 January 1970
/// assert!(!office.contains(thursday(6)));
/// assert!(office.contains(thursday(7))); // 08:00 +01:00
/// assert!(!office.contains(thursday(15)));
/// # Ok::<(), tower_canary::rollout::InvalidTimeWindow>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    text: String,
    /// Whether the window begins on each day, Monday first.
    days: [bool; 7],
    /// In minutes after midnight.
    from: i64,
    /// In minutes, 1 to a whole day.
    length: i64,
    /// In minutes east of UTC.
    offset: i64,
}

impl TimeWindow {
    /// Returns the window as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the window is open at `at`.
    #[must_use]
    pub fn contains(&self, at: SystemTime) -> bool {
        let now = self.minute_of_week(at);
        self.days.iter().zip(0_i64..).any(|(begins, day)| {
            // Modulo a week: a window that begins on Sunday may be open on Monday.
            let since_start = (now - day * DAY - self.from).rem_euclid(WEEK);
            *begins && since_start < self.length
        })
    }

    /// Returns the minutes since Monday, 00:00, in the offset of the window. A time before 1970 counts as the Unix epoch.
    fn minute_of_week(&self, at: SystemTime) -> i64 {
        let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let minutes = (seconds / 60).cast_signed();
        (minutes + self.offset + EPOCH_DAY * DAY).rem_euclid(WEEK)
    }
}

impl FromStr for TimeWindow {
    type Err = InvalidTimeWindow;

    fn from_str(text: &str) -> Result<Self, InvalidTimeWindow> {
        let parts: Vec<&str> = text.split(' ').collect();
        let [days, times, offset] = parts[..] else { return Err(InvalidTimeWindow) };
        let days = parse_days(days).ok_or(InvalidTimeWindow)?;
        let offset = parse_offset(offset).ok_or(InvalidTimeWindow)?;
        let (from, to) = times.split_once('-').ok_or(InvalidTimeWindow)?;
        let from = parse_time(from).filter(|from| *from < DAY).ok_or(InvalidTimeWindow)?;
        let to = parse_time(to).ok_or(InvalidTimeWindow)?;
        let length = if to > from { to - from } else { to - from + DAY };
        Ok(Self { text: text.to_owned(), days, from, length, offset })
    }
}

/// Reads `mon-fri`, `sat,sun` or `fri-mon`.
fn parse_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first = parse_day(first)?;
        let length = (parse_day(last)? + 7 - first) % 7;
        for day in first..=first + length {
            days[day % 7] = true;
        }
    }
    Some(days)
}

/// Returns the number of a day, with 0 for Monday.
fn parse_day(text: &str) -> Option<usize> {
    DAYS.iter().position(|day| *day == text)
}

/// Reads `08:00` as minutes after midnight, up to `24:00`.
fn parse_time(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let minutes = two_digits(hours)? * 60 + two_digits(minutes).filter(|minutes| *minutes < 60)?;
    (minutes <= DAY).then_some(minutes)
}

/// Reads `+01:00`, `-05:30` or `Z` as minutes east of UTC.
fn parse_offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let east = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    parse_time(&text[1..]).filter(|minutes| *minutes <= MAX_OFFSET).map(|minutes| east * minutes)
}

/// Parses exactly two digits, so that `8:00` and `+8:00` are refused.
fn two_digits(text: &str) -> Option<i64> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The error for a text that is not a [`TimeWindow`].
///
/// ```
/// let error = "9 to 5".parse::<tower_canary::rollout::TimeWindow>().unwrap_err();
/// assert!(error.to_string().starts_with("not a window of time: write weekdays"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not a window of time: write weekdays, times and the offset from UTC, such as 'mon-fri 08:00-16:00 +01:00'"
)]
#[non_exhaustive]
pub struct InvalidTimeWindow;
