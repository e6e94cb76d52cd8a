//! One call: an operation with its values.

use reqwest::header::{CONTENT_TYPE, HeaderValue, IF_MATCH};
use reqwest::{Method, Url};
use serde::Serialize;
use serde_json::Value;
use tower_canary::routing::{ServiceName, VersionName};

use super::endpoint::{Endpoint, Repeat};
use crate::failure::Failure;

/// A request to the API, without the address of a gateway.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    endpoint: Endpoint,
    path: String,
    query: Vec<(String, String)>,
    body: Option<String>,
    if_match: Option<u64>,
    repeat: Repeat,
}

impl Call {
    /// Begins a call. The names in the path are still to be filled in.
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let path = endpoint.path().to_owned();
        Self { endpoint, path, query: Vec::new(), body: None, if_match: None, repeat: endpoint.repeat() }
    }

    /// Names the service. A name needs no encoding: its characters are valid in a path.
    pub(crate) fn service(self, service: &ServiceName) -> Self {
        Self { path: self.path.replace("{service}", service.as_str()), ..self }
    }

    /// Names the version.
    pub(crate) fn version(self, version: &VersionName) -> Self {
        Self { path: self.path.replace("{version}", version.as_str()), ..self }
    }

    /// Names a rollout by its id, or as `current`. An id has letters, digits and hyphens; another text stays one segment.
    pub(crate) fn rollout(self, id: &str) -> Self {
        let id = id.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
        Self { path: self.path.replace("{rollout}", &id), ..self }
    }

    /// Sets the query to the fields of a wire type.
    pub(crate) fn query(self, params: &impl Serialize) -> Result<Self, Failure> {
        let Value::Object(fields) = serde_json::to_value(params).map_err(|error| defect(&error))? else {
            return Ok(self);
        };
        let pairs = fields.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        Ok(Self { query: pairs.collect(), ..self })
    }

    /// Sets the body to a wire type.
    pub(crate) fn body(self, body: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self { body: Some(serde_json::to_string(body).map_err(|error| defect(&error))?), ..self })
    }

    /// Makes the call fail unless the split is at this generation. `None`: it may be at any.
    pub(crate) fn if_generation(self, generation: Option<u64>) -> Self {
        Self { if_match: generation, ..self }
    }

    /// Marks the call as one that sets a value, unlike others of its endpoint: the second time changes nothing more.
    pub(crate) fn sets_a_value(self) -> Self {
        Self { repeat: Repeat::Sets, ..self }
    }

    /// Returns whether the call is about one service, which its path names.
    pub(crate) fn names_a_service(&self) -> bool {
        self.endpoint.path().contains("{service}")
    }

    /// Returns when the call may be sent again: as its endpoint says, unless it was [marked](Self::sets_a_value).
    pub(crate) fn repeat(&self) -> Repeat {
        self.repeat
    }

    /// Returns the generation that the split must have. Such a call has its effect at most once.
    pub(crate) fn expected_generation(&self) -> Option<u64> {
        self.if_match
    }

    /// Returns the request to the API at `mount`.
    pub(super) fn request(&self, mount: &Url) -> reqwest::Request {
        let mut url = mount.clone();
        url.set_path(&format!("{}{}", mount.path().trim_end_matches('/'), self.path));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut request = reqwest::Request::new(self.method(), url);
        if let Some(generation) = self.if_match
            && let Ok(tag) = format!("\"{generation}\"").try_into()
        {
            request.headers_mut().insert(IF_MATCH, tag);
        }
        if let Some(body) = &self.body {
            request
                .headers_mut()
                .insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
            *request.body_mut() = Some(body.clone().into());
        }
        request
    }

    /// Returns the method of the operation.
    fn method(&self) -> Method {
        self.endpoint.method()
    }
}

/// Creates the failure for a body without a JSON form, which no body of the API is.
fn defect(error: &serde_json::Error) -> Failure {
    Failure::failed(format!("cannot write the request: {error}"))
}

#[cfg(test)]
mod tests {
    use tower_canary::api::ExplainParams;

    use super::{Call, Endpoint};

    #[test]
    fn request_has_path_query_and_condition() {
        let mount = "http://127.0.0.1:8081/api/v1/admin".parse().unwrap();
        let call = Call::new(Endpoint::Explain).service(&"auth".parse().unwrap()).if_generation(Some(41));
        let request = call.query(&ExplainParams::new("a&b c=é")).unwrap().request(&mount);
        let url = "http://127.0.0.1:8081/api/v1/admin/deployment/services/auth/explain?key=a%26b+c%3D%C3%A9";
        assert_eq!(request.url().as_str(), url);
        assert_eq!(request.headers()["if-match"], "\"41\"");
    }
}
