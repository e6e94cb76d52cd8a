//! Registration of a version.

use clap::Args;
use tower_canary::api::{RegisterVersion, SplitView};
use tower_canary::routing::{Backend, HealthPath, Instances, Weight};

use super::effect::{Effect, find};
use super::versions::VersionTarget;
use super::{change, split};
use crate::client::{Answer, Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::WriteOptions;
use crate::session::Session;
use crate::values::{instances, weight};

/// Registers a version: at weight 0, or at 100 if it is the first of its service
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  canary register auth v1.2 http://127.0.0.1:9004 --reason \"release 1.2\"
  canary register auth v1.2 http://127.0.0.1:9004 --if-absent")]
pub(crate) struct Register {
    #[command(flatten)]
    target: VersionTarget,

    /// Base URL of each instance, such as http://10.0.0.2:8080
    #[arg(required = true, value_name = "URL")]
    urls: Vec<Backend>,

    /// Weight in percent that the version gets immediately
    #[arg(long, value_name = "N", value_parser = weight)]
    weight: Option<Weight>,

    /// Register the version out of service
    #[arg(long, conflicts_with = "weight")]
    inactive: bool,

    /// Path of health probes below the base URLs, for all versions of the service
    #[arg(long, value_name = "PATH")]
    health: Option<HealthPath>,

    /// Succeed without a change if the version has these URLs already
    #[arg(long)]
    if_absent: bool,

    #[command(flatten)]
    write: WriteOptions,
}

impl Register {
    /// Registers the version. With `--if-absent`, a version that is registered like this already is a
    /// success.
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let urls = instances(&self.urls)?;
        // Read first: a refused registration would stand in the history of each repeated job.
        if self.if_absent
            && let Some(exit) = self.accept_registered(session, &urls).await?
        {
            return Ok(exit);
        }
        let call = Call::new(Endpoint::Register).body(&self.body(&urls))?;
        let effect = Effect::Urls(self.target.version.clone(), urls.clone());
        match change::make(session, &self.target.service, call, &self.write, effect).await {
            // Another job was faster.
            Err(failure) if self.if_absent && failure.problem("duplicate-version").is_some() => {
                self.accept_registered(session, &urls).await?.ok_or(failure)
            }
            result => result,
        }
    }

    /// Composes the body. Several URLs are sent as a list, one as a text, which a gateway of an earlier
    /// release reads too.
    fn body(&self, urls: &Instances) -> RegisterVersion {
        let mut body = RegisterVersion::new(&self.target.version, urls.first());
        if urls.len().get() > 1 {
            body = body.with_urls(urls);
        }
        if let Some(path) = &self.health {
            body = body.with_health_path(path);
        }
        if self.inactive {
            body = body.with_active(false);
        }
        body.weight = self.weight.map(Weight::percent);
        body.reason.clone_from(&self.write.reason);
        body
    }

    /// Returns the success if the version is registered with these URLs already, and fails if it has others. `None`: it is not
    /// registered.
    async fn accept_registered(&self, session: &Session, urls: &Instances) -> Result<Option<Exit>, Failure> {
        let read = session.api.send(&Call::new(Endpoint::Versions).service(&self.target.service)).await;
        let answer: Answer = match read {
            Err(failure) if failure.problem("unknown-service").is_some() => return Ok(None),
            read => read?,
        };
        let split: SplitView = answer.read()?;
        let Some(found) = find(&split, &self.target.version) else { return Ok(None) };
        let version = &self.target.version;
        let same = Effect::Urls(version.clone(), urls.clone()).is_shown_by(&split) == Some(true);
        if !same {
            let registered = found.urls.join(" ");
            return Err(Failure::refused(format!(
                "{version} is registered with other URLs: {registered}; change them with `canary url`, or choose another name"
            )));
        }
        session.terminal.log(&format!("note: {version} is registered with these URLs already"));
        session.terminal.answer(&answer.text, || split::text(&split));
        Ok(Some(Exit::Done))
    }
}
