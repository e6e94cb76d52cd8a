//! The parameters of operations in the OpenAPI document, beside the extractors and types that read them.
//!
//! Limits come from the constants that the parsers use. One dependency cannot be stated in OpenAPI: a URL and a wait for a
//! drained version need `version`.

use serde_json::Value;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AnyOfBuilder, Object, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use super::etag::IfNoneMatch;
use super::extract::{ServicePath, VersionPath, WriteConditions};
use crate::api::{ChangeParams, ExplainParams, PageParams, ServicesParams, TrafficParams, VersionsParams};
use crate::routing::{Backend, ServiceName, VersionName};

/// A list of entity tags (RFC 9110, section 8.8.3).
const ETAGS: &str = r#"^(?:W/)?"[!#-~]*"(?:, ?(?:W/)?"[!#-~]*")*$"#;

impl IntoParams for ServicePath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![service()]
    }
}

impl IntoParams for VersionPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let version = name(VersionName::MAX_LEN, VersionName::PATTERN);
        vec![service(), path("version", "the name of the version", version)]
    }
}

impl IntoParams for WriteConditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let force = "skip the probe, and allow to deactivate the last active version or to remove a service with active versions";
        let dry_run = "do not make the change: respond with the split that it would make, and with the users who would get another version";
        let wait = "respond once all replicas serve the change, or with 202 after the timeout";
        let timeout = "wait at most this time, up to 60s, as with 'wait'; default: 5s";
        let if_match = "the expected generation in double quotes; \"0\" for a service that does not exist yet or was removed";
        let if_none_match = "'*' for a service that does not exist yet or was removed";
        vec![
            query("force", force, boolean()),
            query("dryRun", dry_run, boolean()),
            query("wait", wait, words(&["converged"])),
            query("timeout", timeout, text().pattern(Some(ChangeParams::TIMEOUT_PATTERN)).build()),
            header("If-Match", if_match, etags()),
            header("If-None-Match", if_none_match, words(&["*"])),
        ]
    }
}

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description =
            "the ETag of a response that the client has: respond with 304 if it is the present one";
        vec![header("If-None-Match", description, etags())]
    }
}

impl IntoParams for ServicesParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            query("limit", "the number of services; default: all", whole(1, Self::MAX_LIMIT.into())),
            query("after", "only services after this name", text().build()),
            query("q", "only services whose name contains this text", text().build()),
        ]
    }
}

impl IntoParams for VersionsParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![query("events", "also show the last transitions of the service's instances", boolean())]
    }
}

impl IntoParams for PageParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let limit = format!("the number of entries; default: {}", Self::DEFAULT_LIMIT);
        let before = "only entries with a smaller number: the generation of a change, the id of a refusal, or the number of a \
                      rollout";
        vec![
            query("limit", &limit, whole(1, Self::MAX_LIMIT.into())),
            query("before", before, whole(0, u64::MAX)),
        ]
    }
}

impl IntoParams for ExplainParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = "the key as the gateway finds it in a request";
        let weights = "explain the split with these weights, 100 in total, as in v1.0:70,v1.1:30";
        let mut key = query("key", key, text().min_length(Some(1)).build());
        key.required = Required::True;
        vec![key, query("weights", weights, text().pattern(Some(weights_pattern())).build())]
    }
}

impl IntoParams for TrafficParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let version = name(VersionName::MAX_LEN, VersionName::PATTERN);
        let url = "with 'version': only the instance of the version at this base URL";
        let wait = "with 'version': respond once the version, or the instance at 'url', is drained at all gateways, or after the timeout";
        let timeout = "with 'version': wait at most this time, up to 10m, as with 'wait'; default: 30s";
        vec![
            query("version", "only this version", version),
            query("url", url, backend()),
            query("wait", wait, words(&["drained"])),
            query("timeout", timeout, text().pattern(Some(Self::TIMEOUT_PATTERN)).build()),
        ]
    }
}

/// Names and weights with at most two decimals, such as `v1.0:70,v1.1:30`.
fn weights_pattern() -> String {
    let name = VersionName::PATTERN.trim_start_matches('^').trim_end_matches('$');
    let weight = r"(?:100|[0-9]{1,2}(?:\.[0-9]{1,2})?)";
    format!("^{name}:{weight}(?:,{name}:{weight})*$")
}

/// The service in the path.
pub(super) fn service() -> Parameter {
    path("service", "the name of the service", name(ServiceName::MAX_LEN, ServiceName::PATTERN))
}

/// A segment of the path, which is always required.
pub(super) fn path(name: &str, description: &str, schema: Object) -> Parameter {
    parameter(name, ParameterIn::Path, description, schema)
}

/// A parameter of the query.
pub(super) fn query(name: &str, description: &str, schema: Object) -> Parameter {
    parameter(name, ParameterIn::Query, description, schema)
}

/// A request header.
fn header(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    parameter(name, ParameterIn::Header, description, schema)
}

/// Creates a parameter, which is required if it is part of the path.
fn parameter(
    name: &str,
    place: ParameterIn,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).description(Some(description));
    parameter.required(required).schema(Some(schema)).build()
}

/// A text. The caller adds its limits.
pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Creates the schema of `*` or a list of entity tags.
///
/// In one pattern, generators of requests find no text for it and send an empty one.
fn etags() -> RefOr<Schema> {
    let list = text().pattern(Some(ETAGS));
    AnyOfBuilder::new().item(words(&["*"])).item(list).examples(["\"41\""]).into()
}

/// A base URL.
fn backend() -> Object {
    text().max_length(Some(Backend::MAX_LEN)).pattern(Some(Backend::PATTERN)).build()
}

/// The name of a service or a version.
fn name(max_length: usize, pattern: &str) -> Object {
    text().max_length(Some(max_length)).pattern(Some(pattern)).build()
}

/// Creates the schema of a text that is one of `words`.
fn words(words: &[&str]) -> Object {
    text().enum_values(Some(words.iter().copied().map(Value::from))).build()
}

/// `true` or `false`.
pub(super) fn boolean() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).build()
}

/// A whole number in a range, both ends included.
pub(super) fn whole(minimum: u64, maximum: u64) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(minimum)).maximum(Some(maximum)).build()
}
