//! The status, painted again at each event.

use clap::Args;
use serde::de::DeserializeOwned;
use tower_canary::api::{ServiceList, SplitView, TrafficOverview, TrafficView};
use tower_canary::routing::ServiceName;

use super::status;
use crate::client::{Call, Endpoint, Event, Follow};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Screen;
use crate::session::Session;

/// Shows the status on the whole screen, painted again every two seconds, until --timeout or Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  canary top --timeout 3s\n  canary top auth --timeout 3s")]
pub(crate) struct Top {
    /// Name of the service
    service: Option<ServiceName>,
}

impl Top {
    /// Paints until the user ends it. It has a time limit only if one was given.
    pub(crate) async fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let call = match &self.service {
            Some(service) => Call::new(Endpoint::Traffic).service(service),
            None => Call::new(Endpoint::Overview),
        };
        let mut events = Follow::new(&session.api, call, session.given_deadline());
        // The first event comes before the screen: a failure stays visible.
        let mut next = events.next().await?;
        let screen = (!session.is_json()).then(|| Screen::open(&session.terminal));
        while let Some(event) = next
            && !session.terminal.is_closed()
        {
            match &screen {
                Some(screen) => screen.paint(&self.picture(session, &event).await?),
                None => session.terminal.event("top", &event.data),
            }
            next = events.next().await?;
        }
        Ok(Exit::Done)
    }

    /// Returns the status with the figures of an event, and the splits as they are now.
    async fn picture(&self, session: &Session, event: &Event) -> Result<String, Failure> {
        match &self.service {
            Some(service) => {
                let traffic: TrafficView = read(event)?;
                let split = session.api.send(&Call::new(Endpoint::Versions).service(service)).await?;
                Ok(status::versions(&split.read::<SplitView>()?, &traffic))
            }
            None => {
                let overview: TrafficOverview = read(event)?;
                let list = session.api.send(&Call::new(Endpoint::Services)).await?;
                Ok(status::services(&list.read::<ServiceList>()?, &overview))
            }
        }
    }
}

/// Reads the JSON of an event.
fn read<T: DeserializeOwned>(event: &Event) -> Result<T, Failure> {
    serde_json::from_str(&event.data)
        .map_err(|error| Failure::failed(format!("an event has another form than expected: {error}")))
}
