//! The algorithm that the layer is compared with.

use std::sync::RwLock;

use http::Request;

/// The algorithm in its simplest form: sum and scan over floats, format and parse the URI.
pub(crate) struct Naive {
    versions: RwLock<Vec<(String, f64)>>,
}

impl Naive {
    pub(crate) fn new() -> Self {
        let versions = [("http://10.0.0.1:8080", 90.0), ("http://10.0.0.2:8080", 10.0)];
        Self { versions: RwLock::new(versions.map(|(url, weight)| (url.to_owned(), weight)).into()) }
    }

    pub(crate) fn rewrite(&self, request: &mut Request<()>) {
        let versions = self.versions.read().unwrap().clone();
        let total: f64 = versions.iter().map(|(_, weight)| weight).sum();
        let mut left = rand::random::<f64>() * total;
        let found = versions.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        let base = found.map_or_else(|| versions[0].0.clone(), |(url, _)| url.clone());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("{base}{path}").parse().unwrap();
    }
}
