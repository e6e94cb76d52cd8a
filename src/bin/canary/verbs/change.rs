//! A change: the call, its answer, and the search for its effect when the answer was lost.

use reqwest::StatusCode;
use serde_json::Value;
use tower_canary::api::{ChangeResult, ProbeView, SplitView, UserMove};
use tower_canary::routing::ServiceName;

use super::effect::Effect;
use super::split;
use crate::client::{Answer, Call, Endpoint};
use crate::escape::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::WriteOptions;
use crate::output::figures;
use crate::session::Session;

/// Makes a change of a split and writes the answer. If the response is lost, the split is read: it may show the `effect`.
pub(crate) async fn make(
    session: &Session,
    service: &ServiceName,
    call: Call,
    options: &WriteOptions,
    effect: Effect,
) -> Result<Exit, Failure> {
    let params = options.params(session.timeout);
    let call = call.service(service).query(&params)?.if_generation(options.if_generation);
    match session.api.send_waiting(&call, options.wait_time(session.timeout)).await {
        Ok(answer) => show_change(session, &answer),
        Err(Failure::Lost(lost)) => look_for_effect(session, service, lost, &effect).await,
        Err(failure) => Err(failure),
    }
}

/// Shows a change that was made. With `--wait`, a 202 says that some gateway does not serve it yet: exit code 5.
fn show_change(session: &Session, answer: &Answer) -> Result<Exit, Failure> {
    let result: ChangeResult = answer.read()?;
    session.terminal.answer(&answer.text, || text(&result));
    log_rollout(session, answer);
    let is_late = answer.status == StatusCode::ACCEPTED;
    Ok(if is_late { Exit::TimedOut } else { Exit::Done })
}

/// Says what the change did to a rollout that was under way. Most changes did nothing to one.
fn log_rollout(session: &Session, answer: &Answer) {
    let fields: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let rollout = &fields["rollout"];
    if let (Some(id), Some(now)) = (rollout["id"].as_str(), rollout["now"].as_str()) {
        session.terminal.log(&format!("note: the rollout {id} is {now} after this change"));
    }
}

/// Reads the split after the response to a change was lost. A split that shows the effect is a success; one that does not,
/// or that cannot, is a failure.
async fn look_for_effect(
    session: &Session,
    service: &ServiceName,
    lost: String,
    effect: &Effect,
) -> Result<Exit, Failure> {
    session.terminal.log(&format!("warning: {lost}; reading the split"));
    let answer = session.api.send(&Call::new(Endpoint::Versions).service(service)).await?;
    let split: SplitView = answer.read()?;
    let generation = split.generation;
    match effect.is_shown_by(&split) {
        Some(true) => {
            session
                .terminal
                .log(&format!("note: the split shows what was asked, at generation {generation}"));
            session.terminal.answer(&answer.text, || split::text(&split));
            Ok(Exit::Done)
        }
        Some(false) => Err(Failure::failed(format!(
            "{lost}; the split at generation {generation} does not show what was asked"
        ))),
        None => Err(Failure::failed(format!(
            "{lost}; a split does not show such a change: see `canary history {service}`, now at generation {generation}"
        ))),
    }
}

/// Returns the split after the change, and what the answer says besides.
fn text(result: &ChangeResult) -> String {
    let mut text = if result.dry_run {
        format!("{}  dry run: nothing was changed\n", escape(&result.split.service))
    } else {
        split::title(&result.split)
    };
    text.push_str(&split::table(&result.split));
    let moves = result.moves.iter().flatten().map(move_line);
    let lines = moves.chain(result.probes.iter().map(probe_line)).chain(convergence_lines(result));
    lines.for_each(|line| {
        text.push_str(&line);
        text.push('\n');
    });
    text
}

/// Returns a line: the part of the users that moves, and between which versions.
pub(crate) fn move_line(group: &UserMove) -> String {
    let [from, to] = [&group.from, &group.to].map(|version| version.as_deref().unwrap_or("no version"));
    format!("{} % of users move from {} to {}", group.users, escape(from), escape(to))
}

/// Returns a line: the version and the URL that were probed, and the result.
pub(crate) fn probe_line(probe: &ProbeView) -> String {
    let result = match (probe.status, probe.latency_ms, &probe.cause) {
        (_, _, Some(cause)) => escape(cause).into_owned(),
        (Some(status), Some(latency), None) => format!("{status} in {latency} ms"),
        _ => figures::NONE.into(),
    };
    let mark = if probe.healthy { "healthy" } else { "not healthy" };
    format!("probe of {} at {}: {mark}, {result}", escape(&probe.version), escape(&probe.url))
}

/// Returns a line with the gateways that serve the change, and one with those that do not yet. Empty without `--wait`.
fn convergence_lines(result: &ChangeResult) -> Vec<String> {
    let Some(convergence) = &result.convergence else { return Vec::new() };
    let mut lines = vec![format!("served by {}", names(&convergence.serving))];
    match &convergence.waiting {
        None => lines.push("the other gateways are not known: the store cannot be read".into()),
        Some(waiting) if waiting.is_empty() => {}
        Some(waiting) => lines.push(format!("not yet served by {}", names(waiting))),
    }
    lines
}

/// Lists gateways.
fn names(replicas: &[String]) -> String {
    if replicas.is_empty() { "none".into() } else { escape(&replicas.join(", ")).into_owned() }
}
