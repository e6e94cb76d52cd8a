//! Changes of one version: in service or not, its URLs, its removal.

use clap::Args;
use tower_canary::api::UpdateVersion;
use tower_canary::routing::{Backend, ServiceName, VersionName};

use super::asked::Asked;
use super::change;
use super::weights::plain;
use crate::client::{Call, Endpoint};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::WriteOptions;
use crate::session::Session;
use crate::values::instances;

/// The version that a verb is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct Named {
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
    named: Named,

    #[command(flatten)]
    write: WriteOptions,
}

/// Takes a version out of service: its weight goes to the others
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary deactivate auth v1.1 --reason \"replaced by 1.2\"")]
pub(crate) struct Deactivate {
    #[command(flatten)]
    named: Named,

    #[command(flatten)]
    write: WriteOptions,
}

/// Removes an inactive version. Wait until it is drained before you stop its process
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  canary deactivate auth v1.1\n  canary remove auth v1.1")]
pub(crate) struct Remove {
    #[command(flatten)]
    named: Named,

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
    named: Named,

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
        set_active(session, &self.named, true, &self.write).await
    }
}

impl Deactivate {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        set_active(session, &self.named, false, &self.write).await
    }
}

/// Puts a version into service or takes it out.
async fn set_active(
    session: &Session,
    named: &Named,
    active: bool,
    write: &WriteOptions,
) -> Result<Exit, Failure> {
    let body = UpdateVersion::new().with_active(active);
    let call = update(named, body, write)?.sets_a_value();
    let asked = Asked::Active(named.version.clone(), active);
    change::make(session, &named.service, call, write, asked).await
}

/// Composes the call that updates a version.
fn update(named: &Named, mut body: UpdateVersion, write: &WriteOptions) -> Result<Call, Failure> {
    body.reason.clone_from(&write.reason);
    Call::new(Endpoint::Update).version(&named.version).body(&body)
}

impl Remove {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let call = Call::new(Endpoint::Remove).version(&self.named.version).body(&plain(&self.write))?;
        let asked = Asked::Gone(self.named.version.clone());
        change::make(session, &self.named.service, call, &self.write, asked).await
    }
}

impl ChangeUrls {
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let urls = instances(&self.urls)?;
        let version = self.named.version.clone();
        let body = UpdateVersion::new();
        let prepared = match (self.add, self.remove) {
            (true, _) => (body.with_added_urls(&urls), Asked::Added(version, urls)),
            (_, true) => (body.with_removed_urls(&urls), Asked::Removed(version, urls)),
            _ => (body.with_urls(&urls), Asked::Urls(version, urls)),
        };
        let call = update(&self.named, prepared.0, &self.write)?;
        change::make(session, &self.named.service, call, &self.write, prepared.1).await
    }
}
