//! The client: one call with its retries, or one stream.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Request, Response, Url};
use tokio::time::{sleep, timeout};

use super::attempt::{self, Answer, Cause, Trouble};
use super::call::Call;
use super::{address, token};
use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::output::Terminal;

/// Maximum time until a connection is there.
const CONNECT: Duration = Duration::from_secs(3);

/// Maximum time of a call.
const CALL: Duration = Duration::from_secs(10);

/// The admin API at one or several gateways on one database.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    mounts: Vec<Url>,
    /// The mount that is asked first: the last one that responded.
    current: Cell<usize>,
    /// The maximum time of a call that the API responds to immediately.
    limit: Duration,
}

impl Api {
    /// Creates the client of all addresses. It connects with the first call.
    pub(crate) fn new(options: &GlobalOptions, terminal: &Terminal) -> Result<Self, Failure> {
        let mounts = address::read(&options.url)?;
        let authorization =
            token::authorization(options.token_file.as_deref(), options.is_token_file_option)?;
        let is_exposed = authorization.is_some() && mounts.iter().any(address::is_exposed);
        if is_exposed {
            terminal.log("warning: the token is sent without encryption: use https");
        }
        let client = client(authorization, options.ca_cert.as_deref())?;
        Ok(Self { client, mounts, current: Cell::new(0), limit: options.timeout.unwrap_or(CALL).min(CALL) })
    }

    /// Returns the maximum time of a call that the API responds to immediately: 10 s, or `--timeout` if it is shorter.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns the number of addresses.
    pub(super) fn addresses(&self) -> usize {
        self.mounts.len()
    }

    /// Returns the address that the next attempt is sent to.
    pub(crate) fn mount(&self) -> &Url {
        &self.mounts[self.current.get() % self.mounts.len()]
    }

    /// Turns to the next address.
    pub(super) fn turn(&self) {
        self.current.set((self.current.get() + 1) % self.mounts.len());
    }

    /// Sends a call, again if that is safe, and returns the successful response.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        self.send_waiting(call, Duration::ZERO).await
    }

    /// Sends a call to which the API responds only after up to `wait`.
    pub(crate) async fn send_waiting(&self, call: &Call, wait: Duration) -> Result<Answer, Failure> {
        let limit = if wait.is_zero() { self.limit } else { wait + CALL };
        let mut attempt = 0;
        loop {
            let trouble = match self.attempt(call, limit).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let Some(pause) = trouble.pause(call.repeat(), attempt) else {
                return Err(after_attempts(trouble, call, attempt, self.mount()));
            };
            // Another gateway may respond at once.
            self.turn();
            let tried_all = attempt as usize + 1 >= self.mounts.len();
            sleep(if tried_all { pause } else { Duration::ZERO }).await;
            attempt += 1;
        }
    }

    /// Makes one attempt at the present address.
    async fn attempt(&self, call: &Call, limit: Duration) -> Result<Answer, Trouble> {
        let mount = self.mount();
        let mut request = call.request(mount);
        *request.timeout_mut() = Some(limit);
        attempt::read(self.execute(request, mount).await?, mount).await
    }

    /// Opens the stream of a call at the current address, without retries. A refusal is read to its end within the time of a
    /// call too.
    pub(super) async fn open(&self, call: &Call) -> Result<Response, Trouble> {
        let mount = self.mount();
        timeout(self.limit, self.open_at(call, mount)).await.unwrap_or_else(|_| Err(Trouble::late(mount)))
    }

    /// Opens the stream of a call at `mount`, without a time limit.
    async fn open_at(&self, call: &Call, mount: &Url) -> Result<Response, Trouble> {
        let mut request = call.request(mount);
        request.headers_mut().insert(ACCEPT, const { HeaderValue::from_static("text/event-stream") });
        let response = self.execute(request, mount).await?;
        if response.status().is_success() && attempt::has_type(&response, "text/event-stream") {
            return Ok(response);
        }
        let failure = Failure::failed(format!("no stream of events at {mount}"));
        Err(attempt::read(response, mount).await.err().unwrap_or(Trouble { failure, cause: Cause::Refused }))
    }

    /// Sends a request and returns the head of the response.
    async fn execute(&self, request: Request, mount: &Url) -> Result<Response, Trouble> {
        self.client.execute(request).await.map_err(|error| Trouble::from_request_error(&error, mount))
    }
}

/// Returns the failure of a call after its last attempt.
///
/// A condition that fails after an attempt of ours with an unknown outcome may have failed because of that attempt, so the
/// outcome is unknown then.
fn after_attempts(trouble: Trouble, call: &Call, attempt: u32, mount: &Url) -> Failure {
    let conflict = trouble.failure.problem("generation-conflict").is_some();
    if conflict && attempt > 0 && call.expected_generation().is_some() {
        return Failure::Lost("the split has changed, possibly by an attempt whose response was lost".into());
    }
    // Only the listener for requests misses a service that the call does not name.
    if trouble.failure.problem("unknown-service").is_some() && !call.names_a_service() {
        return Failure::failed(format!("no admin API at {mount}: this is the address for requests"));
    }
    trouble.failure
}

/// Creates the HTTP client. The token is marked as sensitive, so no log shows it.
fn client(authorization: Option<HeaderValue>, ca_cert: Option<&Path>) -> Result<Client, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, const { HeaderValue::from_static("application/json") });
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization);
    }
    // A redirect would send the token to another place.
    let mut builder = Client::builder()
        .user_agent(concat!("canary/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(CONNECT)
        .redirect(Policy::none());
    if let Some(file) = ca_cert {
        builder = builder.tls_certs_merge(certificates(file)?);
    }
    builder.build().map_err(|error| Failure::failed(format!("cannot set up TLS: {error}")))
}

/// Reads the certificates of the authorities that are trusted beside those of the system.
#[expect(clippy::disallowed_methods, reason = "a program reads its files")]
fn certificates(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let pem = std::fs::read(file).map_err(|error| unusable(file, &error))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(file, &error))?;
    if certificates.is_empty() {
        return Err(Failure::usage(format!("{} has no certificate", file.display())));
    }
    Ok(certificates)
}

/// Creates the failure for a file without usable certificates.
fn unusable(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::usage(format!("cannot use the certificates in {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;
    use std::time::Duration;

    use reqwest::Client;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::super::endpoint::Endpoint;
    use super::{Api, Call, Cause};

    #[tokio::test]
    async fn refusal_of_a_stream_has_a_time_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mounts = vec![format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap()];
        let limit = Duration::from_millis(200);
        let api = Api { client: Client::new(), mounts, current: Cell::new(0), limit };
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = b"HTTP/1.1 409 Conflict\r\ncontent-length: 9\r\n\r\n";
            stream.write_all(head).await.unwrap();
            pending::<()>().await;
        };
        let call = Call::new(Endpoint::Overview);
        let opening = tokio::time::timeout(Duration::from_secs(15), api.open(&call));
        tokio::select! {
            opened = opening => assert_eq!(opened.expect("it waits for the body").unwrap_err().cause, Cause::Lost),
            () = server => {}
        }
    }
}
