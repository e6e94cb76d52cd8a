//! One attempt of a call, and what it means when it fails.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use tower_canary::api::Problem;

use super::endpoint::Repeat;
use crate::failure::Failure;

/// The pause before the first retry. Each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The number of retries.
const RETRIES: u32 = 3;

/// A successful response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) cause: Cause,
}

/// How far the request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It was not sent.
    NotSent,
    /// It was sent, and no whole response arrived.
    Lost,
    /// A response with 502, 503 or 504, and the pause that it asks for.
    Unavailable(Option<Duration>),
    /// Another response with 5xx.
    Broken,
    /// Any other response.
    Refused,
}

impl Answer {
    /// Reads the response as a wire type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text)
            .map_err(|error| Failure::failed(format!("the response has another form than expected: {error}")))
    }
}

impl Trouble {
    /// Returns the pause before the next attempt, after `attempt` retries. `None`: no further attempt is made, since it could
    /// have another effect or the retries are used up.
    pub(super) fn pause(&self, repeat: Repeat, attempt: u32) -> Option<Duration> {
        let may_repeat = match self.cause {
            Cause::NotSent => true,
            Cause::Unavailable(_) => repeat != Repeat::Once,
            Cause::Lost => matches!(repeat, Repeat::Read | Repeat::Same),
            Cause::Broken | Cause::Refused => false,
        };
        if !may_repeat || attempt >= RETRIES {
            return None;
        }
        let usual = FIRST_PAUSE * 2_u32.pow(attempt);
        match self.cause {
            Cause::Unavailable(Some(asked)) => Some(asked.min(LONGEST_PAUSE)),
            _ => Some(usual),
        }
    }

    /// Creates the trouble of a request without a whole response in time.
    pub(super) fn late(mount: &Url) -> Self {
        Self { failure: Failure::Lost(format!("{mount} did not respond in time")), cause: Cause::Lost }
    }

    /// Creates the trouble of a request that failed before there was a response.
    pub(super) fn from_request_error(error: &reqwest::Error, mount: &Url) -> Self {
        let reason = root(error);
        if error.is_connect() {
            let text = format!("cannot connect to {mount}: {reason}; the address is in CANARY_URL or --url");
            let failure = Failure::failed(text);
            return Self { failure, cause: Cause::NotSent };
        }
        if error.is_builder() {
            return Self { failure: Failure::failed(reason), cause: Cause::Refused };
        }
        if error.is_timeout() {
            return Self::late(mount);
        }
        let text = format!("the response of {mount} was lost: {reason}");
        Self { failure: Failure::Lost(text), cause: Cause::Lost }
    }
}

/// Reads a response to its end, and returns it if it is JSON of the API and a success. Everything else is a trouble: a
/// problem of the API, a response of another server, or one that broke off.
pub(super) async fn read(response: Response, mount: &Url) -> Result<Answer, Trouble> {
    let status = response.status();
    let is_problem = has_type(&response, "application/problem+json");
    let is_json = is_problem || has_type(&response, "application/json");
    let retry_after = retry_after(&response);
    let text = response.text().await.map_err(|error| Trouble::from_request_error(&error, mount))?;
    if status.is_success() && is_json && !is_problem {
        return Ok(Answer { status, text });
    }
    let cause = match status.as_u16() {
        502..=504 => Cause::Unavailable(retry_after),
        500..=599 => Cause::Broken,
        _ => Cause::Refused,
    };
    let problem: Option<Problem> = if is_problem { serde_json::from_str(&text).ok() } else { None };
    let failure = match problem {
        Some(problem) => Failure::Problem { problem: Box::new(problem), json: text },
        // From a proxy in between, to which the gateway may have responded too late.
        None if matches!(status.as_u16(), 502 | 504) => {
            Failure::Lost(format!("the response of {mount} was lost: a proxy responded {status}"))
        }
        None => Failure::failed(format!(
            "no admin API at {mount}: the response is {status} without a problem document"
        )),
    };
    Err(Trouble { failure, cause })
}

/// Returns whether the response is of a media type, whatever its parameters. A page of a proxy in between is
/// not.
pub(super) fn has_type(response: &Response, wanted: &str) -> bool {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.split(';').next().is_some_and(|kind| kind.trim() == wanted))
}

/// Returns the pause in seconds that the response asks for. A date is not read: clocks differ.
fn retry_after(response: &Response) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Returns the innermost cause: the outer ones say little and repeat the URL.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cause, Trouble};
    use crate::client::endpoint::Repeat;
    use crate::failure::Failure;

    fn pause(cause: Cause, repeat: Repeat, attempt: u32) -> Option<u128> {
        let trouble = Trouble { failure: Failure::failed("x"), cause };
        trouble.pause(repeat, attempt).map(|pause| pause.as_millis())
    }

    #[test]
    fn pauses_double_and_end() {
        let pauses = [0, 1, 2, 3].map(|attempt| pause(Cause::NotSent, Repeat::Once, attempt));
        assert_eq!(pauses, [Some(500), Some(1_000), Some(2_000), None]);
    }

    #[test]
    fn only_what_may_repeat_is_sent_again() {
        let unavailable = Cause::Unavailable(None);
        assert_eq!(pause(unavailable, Repeat::Read, 0), Some(500));
        assert_eq!(pause(unavailable, Repeat::Sets, 0), Some(500));
        assert_eq!(pause(unavailable, Repeat::Once, 0), None);
        assert_eq!(pause(Cause::Lost, Repeat::Read, 0), Some(500));
        assert_eq!(pause(Cause::Lost, Repeat::Same, 0), Some(500));
        assert_eq!(pause(Cause::Lost, Repeat::Sets, 0), None);
        assert_eq!(pause(Cause::Refused, Repeat::Read, 0), None);
    }

    #[test]
    fn servers_choose_the_pause() {
        let asked = Cause::Unavailable(Some(Duration::from_secs(2)));
        assert_eq!(pause(asked, Repeat::Read, 0), Some(2_000));
        let long = Cause::Unavailable(Some(Duration::from_secs(3_600)));
        assert_eq!(pause(long, Repeat::Read, 0), Some(30_000));
    }
}
