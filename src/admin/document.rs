//! The OpenAPI document.

use std::collections::BTreeMap;

use axum::Json;
use http::StatusCode;
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Ref, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, OpenApi, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, Modify};

use super::extract::{OfService, OfVersion, Write};
use super::problem::{Kind, Problem};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Canary admin API",
        description = "Registers versions of services, moves traffic between them, and shows who did so and why."
    ),
    // Relative to where this document is served, whatever the host mounted the API at.
    servers((url = ".")),
    components(schemas(Problem)),
    modifiers(&Bearer)
)]
pub(super) struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

impl IntoParams for OfService {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("service", "the name of the service")]
    }
}

impl IntoParams for OfVersion {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("service", "the name of the service"), path("version", "the name of the version")]
    }
}

impl IntoParams for Write {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let force = "skip the probe, and take even the last active version out";
        let expected = "the generation expected, in quotes; \"0\" for a service to be made";
        let dry_run = "only tell what would happen: the split after, and which users would move";
        let wait = "'converged': answer once all replicas serve the change, 202 where some do not in time";
        let timeout = "how long to wait, at most 60s; 5s by default";
        vec![
            parameter("force", ParameterIn::Query, force, Type::Boolean),
            parameter("dryRun", ParameterIn::Query, dry_run, Type::Boolean),
            parameter("wait", ParameterIn::Query, wait, Type::String),
            parameter("timeout", ParameterIn::Query, timeout, Type::String),
            parameter("If-Match", ParameterIn::Header, expected, Type::String),
        ]
    }
}

fn path(name: &str, what: &str) -> Parameter {
    parameter(name, ParameterIn::Path, what, Type::String)
}

/// Those in the path are required, others are not.
fn parameter(name: &str, place: ParameterIn, what: &str, kind: Type) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let schema = ObjectBuilder::new().schema_type(SchemaType::Type(kind)).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).description(Some(what));
    parameter.required(required).schema(Some(schema)).build()
}

/// The problems that reading answers.
pub(super) struct ReadProblems;

/// The problems that a change answers.
pub(super) struct WriteProblems;

/// What a change answers beside the split after it.
pub(super) struct ChangeAnswers;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(|status| matches!(status.as_u16(), 400 | 401 | 403 | 404 | 422 | 500 | 503))
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(|status| status != StatusCode::METHOD_NOT_ALLOWED)
    }
}

impl IntoResponses for ChangeAnswers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ChangedDto"))).build();
        let lagging = "made; the replicas that 'convergence' names do not serve it yet";
        let lagging = ResponseBuilder::new().description(lagging).content("application/json", body).build();
        let mut answers = WriteProblems::responses();
        answers.insert("202".into(), lagging.into());
        answers
    }
}

fn problems(wanted: impl Fn(StatusCode) -> bool) -> BTreeMap<String, RefOr<Response>> {
    let mut types: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, slug, _) in Kind::ALL.iter().map(|kind| kind.parts()).filter(|(status, ..)| wanted(*status))
    {
        types.entry(status.as_u16()).or_default().push(slug);
    }
    types.into_iter().map(|(status, types)| (status.to_string(), problem(status, &types).into())).collect()
}

fn problem(status: u16, types: &[&str]) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response =
        ResponseBuilder::new().description(types.join(", ")).content("application/problem+json", body);
    match status {
        401 | 403 => response.header("WWW-Authenticate", HeaderBuilder::new().build()),
        503 => response.header("Retry-After", HeaderBuilder::new().build()),
        _ => response,
    }
    .build()
}

/// The OpenAPI document of the admin API, with paths relative to where the host mounts it.
///
/// ```
/// let document = tower_canary::admin::openapi_json();
/// assert!(document["paths"]["/deployment/services"]["get"].is_object());
/// ```
#[must_use]
pub fn openapi_json() -> Value {
    // It is made of strings and maps, which JSON always has.
    serde_json::to_value(super::documented().into_openapi()).unwrap_or_default()
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "document",
    security(("bearer" = [])),
    responses((status = OK, description = "the OpenAPI document", body = Object), ReadProblems)
)]
pub(super) async fn openapi() -> Json<Value> {
    Json(openapi_json())
}
