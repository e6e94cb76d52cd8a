//! The OpenAPI document: its frame, and the responses that several operations share.
//!
//! The operations are in the handlers' attributes, the schemas come from the wire types, the parameters are in
//! [`parameters`](super::parameters) and the limits of bodies in [`constraints`](super::constraints). The statuses,
//! headers and problems of a response type are stated once, here. The problems come from the table of [`ProblemKind`], so the
//! document cannot lack one.

use std::collections::BTreeMap;

use http::StatusCode;
use utoipa::openapi::schema::Ref;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, OpenApi, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{IntoResponses, Modify};

use crate::api::{ChangeResult, Problem, ProblemKind, ServiceList, SplitView};

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
    components(schemas(ChangeResult, Problem, ServiceList, SplitView)),
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

// === Responses ===

/// The problems of a read: no condition can fail, and there is no body.
pub(super) struct ReadProblems;

/// The problems of a request with side effects: all kinds. 405 is not a response of an operation in the
/// document.
pub(super) struct WriteProblems;

/// The split of one service, with its ETag, 304, or a problem.
pub(super) struct SplitResponses;

/// A list of services, with its ETag, 304, or a problem.
pub(super) struct ListResponses;

/// The split after a change: 200 with its ETag, 202 if it is not known that all replicas serve it, or a problem.
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
        let tag = "the generation in double quotes; '-' and a hash of the response follow it within the quotes if the response shows the health of instances";
        conditional_read("the split", "SplitView", tag)
    }
}

impl IntoResponses for ListResponses {
    fn responses() -> Responses {
        conditional_read("the services", "ServiceList", "a tag of the listed services and their generations")
    }
}

impl IntoResponses for ChangeResponses {
    fn responses() -> Responses {
        let lagging = "the change is made; the replicas that 'convergence' lists as waiting do not serve it yet, or are not known";
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

/// Creates the responses to a read with `If-None-Match`.
fn conditional_read(description: &str, schema: &str, tag: &str) -> Responses {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    let found = ResponseBuilder::new().description(description).content("application/json", body);
    let unchanged = ResponseBuilder::new().description("the client has the present response");
    let mut responses = ReadProblems::responses();
    responses.insert("200".into(), found.header("ETag", header(tag)).build().into());
    responses.insert("304".into(), unchanged.header("ETag", header(tag)).build().into());
    responses
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
