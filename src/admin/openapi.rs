//! The OpenAPI document: its frame, the parameters and the responses that several operations share.
//!
//! The operations are in the handlers' attributes, the schemas come from the wire types. Facts that several
//! operations share are stated once, here: the parameters of an extractor beside its name, and the statuses,
//! headers and problems of a response type. The problems come from the table of [`ProblemKind`], so the
//! document cannot lack one.

use std::collections::BTreeMap;

use http::StatusCode;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Ref, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, OpenApi, RefOr, Required, Response, ResponseBuilder, Schema,
};
use utoipa::{IntoParams, IntoResponses, Modify};

use super::extract::{ServicePath, VersionPath, WriteConditions};
use crate::api::{ChangeResult, Problem, ProblemKind, SplitView};

/// The responses of an operation by status, in utoipa's form.
type Responses = BTreeMap<String, RefOr<Response>>;

/// The frame of the document: title, server and security scheme.
///
/// The schemas that only the shared responses name are listed here, because utoipa collects the others from
/// the handlers' attributes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Canary admin API",
        description = "Registers versions of services, moves traffic between them, and shows who made which change and why."
    ),
    // Relative to the path of this document, so that it holds wherever the application mounts the API.
    servers((url = ".")),
    components(schemas(ChangeResult, Problem, SplitView)),
    modifiers(&Bearer)
)]
pub(super) struct OpenApiDocument;

/// Adds the security scheme that the operations name.
///
/// The document is the same for every authenticator. One that is not for bearer tokens says so in its
/// challenge.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Shortens the description of each schema to its first paragraph. The rest is for readers of the Rust
/// documentation: links and examples in Rust.
pub(super) fn shorten_descriptions(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    for schema in components.schemas.values_mut() {
        let description = match schema {
            RefOr::T(Schema::Object(object)) => &mut object.description,
            RefOr::T(Schema::AllOf(parts)) => &mut parts.description,
            _ => continue,
        };
        let first = description.as_deref().and_then(|text| text.split("\n\n").next());
        *description = first.map(ToOwned::to_owned);
    }
}

// === Parameters ===

impl IntoParams for ServicePath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("service", "the name of the service")]
    }
}

impl IntoParams for VersionPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![path("service", "the name of the service"), path("version", "the name of the version")]
    }
}

impl IntoParams for WriteConditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let force = "skip the probe, and allow to deactivate the last active version";
        let if_match =
            "the expected generation in double quotes; \"0\" for a service that does not exist yet";
        let dry_run = "do not make the change: respond with the split that it would make, and with the users who would get another version";
        let wait = "'converged': respond once all replicas serve the change, or with 202 after the timeout";
        let timeout = "the longest wait, at most 60s; default: 5s";
        vec![
            parameter("force", ParameterIn::Query, force, Type::Boolean),
            parameter("dryRun", ParameterIn::Query, dry_run, Type::Boolean),
            parameter("wait", ParameterIn::Query, wait, Type::String),
            parameter("timeout", ParameterIn::Query, timeout, Type::String),
            parameter("If-Match", ParameterIn::Header, if_match, Type::String),
        ]
    }
}

/// Creates a parameter of the path.
fn path(name: &str, description: &str) -> Parameter {
    parameter(name, ParameterIn::Path, description, Type::String)
}

/// Creates a parameter, which is required if it is part of the path.
fn parameter(name: &str, place: ParameterIn, description: &str, kind: Type) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let schema = ObjectBuilder::new().schema_type(SchemaType::Type(kind)).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).description(Some(description));
    parameter.required(required).schema(Some(schema)).build()
}

// === Responses ===

/// The problems of a read: no condition can fail, and there is no body.
pub(super) struct ReadProblems;

/// The problems of a request with side effects: all kinds. 405 is not a response of an operation in the
/// document.
pub(super) struct WriteProblems;

/// The split of one service, with its ETag, or a problem.
pub(super) struct SplitResponses;

/// The split after a change: 200 with its ETag, 202 if some replica does not serve it yet, or a problem.
pub(super) struct ChangeResponses;

/// As [`ChangeResponses`], and 201 once the version is registered. 200 is then the response to a dry run.
pub(super) struct RegistrationResponses;

impl IntoResponses for ReadProblems {
    fn responses() -> Responses {
        problems(|status| matches!(status.as_u16(), 400 | 401 | 403 | 404 | 422 | 500 | 503))
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> Responses {
        problems(|status| status != StatusCode::METHOD_NOT_ALLOWED)
    }
}

impl IntoResponses for SplitResponses {
    fn responses() -> Responses {
        let mut responses = ReadProblems::responses();
        responses.insert("200".into(), split("the split", "SplitView").build().into());
        responses
    }
}

impl IntoResponses for ChangeResponses {
    fn responses() -> Responses {
        let lagging =
            "the change is made; the replicas that 'convergence' lists as waiting do not serve it yet";
        let mut responses = WriteProblems::responses();
        responses.insert("200".into(), split("the split after the change", "ChangeResult").build().into());
        responses.insert("202".into(), split(lagging, "ChangeResult").build().into());
        responses
    }
}

impl IntoResponses for RegistrationResponses {
    fn responses() -> Responses {
        let created = split("the split after the change", "ChangeResult")
            .header("Location", header("the path of the version"));
        let mut responses = ChangeResponses::responses();
        responses.insert("201".into(), created.build().into());
        responses
    }
}

/// Creates a response with a split, whose schema is `schema`, and its ETag.
fn split(description: &str, schema: &str) -> ResponseBuilder {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/json", body)
        .header("ETag", header("the generation in double quotes; left out after a dry run"))
}

/// Creates a header with a text value.
fn header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().description(Some(description)).build()
}

/// Creates one response for each status of the kinds whose statuses are possible.
fn problems(is_possible: impl Fn(StatusCode) -> bool) -> Responses {
    let mut slugs: BTreeMap<StatusCode, Vec<&str>> = BTreeMap::new();
    for kind in ProblemKind::ALL.iter().filter(|kind| is_possible(kind.status())) {
        slugs.entry(kind.status()).or_default().push(kind.slug());
    }
    slugs
        .into_iter()
        .map(|(status, slugs)| (status.as_u16().to_string(), problem(status, &slugs).into()))
        .collect()
}

/// Creates the response with a status and lists the kinds of problem that have it.
fn problem(status: StatusCode, slugs: &[&str]) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response =
        ResponseBuilder::new().description(slugs.join(", ")).content("application/problem+json", body);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            response.header("WWW-Authenticate", HeaderBuilder::new().build())
        }
        StatusCode::SERVICE_UNAVAILABLE => response.header("Retry-After", HeaderBuilder::new().build()),
        _ => response,
    }
    .build()
}
