//! Changes of one version: in service or not, its URLs, its removal.

use clap::Args;
use tower_canary::api::UpdateVersion;
use tower_canary::routing::{Backend, ServiceName, VersionName};

use super::change;
use super::effect::Effect;
use super::weights::plain_body;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::WriteOptions;
use crate::session::Session;
use crate::values::instances;

/// The arguments that name the version of a verb.
#[derive(Args, Clone, Debug)]
pub(crate) struct VersionTarget {
    /// Name of the service
    pub(crate) service: ServiceName,

    /// Name of the version
    pub(crate) version: VersionName,
}

/// Takes a version into service: at weight 0, or at 100 if no other version is active
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary activate auth v1.1")]
pub(crate) struct Activate {
    #[command(flatten)]
    target: VersionTarget,

    #[command(flatten)]
    write: WriteOptions,
}

/// Takes a version out of service: its weight goes to the others
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary deactivate auth v1.1 --reason \"replaced by 1.2\"")]
pub(crate) struct Deactivate {
    #[command(flatten)]
    target: VersionTarget,

    #[command(flatten)]
    write: WriteOptions,
}

/// Removes an inactive version. Wait until it is drained before you stop its process
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary deactivate auth v1.1\n  canary remove auth v1.1")]
pub(crate) struct Remove {
    #[command(flatten)]
    target: VersionTarget,

    #[command(flatten)]
    write: WriteOptions,
}

/// Changes the base URLs of a version, which are its instances
///
/// Without --add and --remove the URLs replace all present ones. Those two change some of them, so that programs that scale
/// a version do not undo each other.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  canary url auth v1.1 --add http://127.0.0.1:9004
  canary url auth v1.1 --remove http://127.0.0.1:9004")]
pub(crate) struct ChangeUrls {
    #[command(flatten)]
    target: VersionTarget,

    /// Base URLs, such as http://10.0.0.2:8080
    #[arg(required = true, value_name = "URL")]
    urls: Vec<Backend>,

    /// Add the URLs to the present ones
    #[arg(long, conflicts_with = "remove")]
    add: bool,

    /// Remove the URLs from the present ones
    #[arg(long)]
    remove: bool,

    #[command(flatten)]
    write: WriteOptions,
}

impl Activate {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        set_active(session, &self.target, true, &self.write).await
    }
}

impl Deactivate {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        set_active(session, &self.target, false, &self.write).await
    }
}

/// Puts a version into service or takes it out.
async fn set_active(
    session: &Session,
    target: &VersionTarget,
    active: bool,
    write: &WriteOptions,
) -> Result<Exit, Failure> {
    let body = UpdateVersion::new().with_active(active);
    let call = update_call(target, body, write)?.sets_a_value();
    let effect = Effect::Active(target.version.clone(), active);
    change::make(session, &target.service, call, write, effect).await
}

/// Composes the call that updates a version.
fn update_call(
    target: &VersionTarget,
    mut body: UpdateVersion,
    write: &WriteOptions,
) -> Result<Call, Failure> {
    body.reason.clone_from(&write.reason);
    Call::new(Endpoint::Update).version(&target.version).body(&body)
}

impl Remove {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let call =
            Call::new(Endpoint::Remove).version(&self.target.version).body(&plain_body(&self.write))?;
        let effect = Effect::VersionRemoved(self.target.version.clone());
        change::make(session, &self.target.service, call, &self.write, effect).await
    }
}

impl ChangeUrls {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let urls = instances(&self.urls)?;
        let version = self.target.version.clone();
        let body = UpdateVersion::new();
        let (body, effect) = match (self.add, self.remove) {
            (true, _) => (body.with_added_urls(&urls), Effect::UrlsAdded(version, urls)),
            (_, true) => (body.with_removed_urls(&urls), Effect::UrlsRemoved(version, urls)),
            _ => (body.with_urls(&urls), Effect::Urls(version, urls)),
        };
        let call = update_call(&self.target, body, &self.write)?;
        change::make(session, &self.target.service, call, &self.write, effect).await
    }
}
