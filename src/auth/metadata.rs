//! The metadata document of a protected resource (RFC 9728).

use http::Uri;
use serde::Serialize;

use super::dpop::{ALGORITHMS, DpopPolicy};
use super::resource::WELL_KNOWN;
use super::server::ResourceServer;

#[derive(Serialize)]
struct Document<'a> {
    resource: &'a str,
    authorization_servers: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<&'a str>,
    dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dpop_bound_access_tokens_required: bool,
}

impl ResourceServer {
    /// Returns the document as JSON, or `None` if no authorization server is known.
    pub(crate) fn metadata(&self) -> Option<Vec<u8>> {
        self.policy.metadata_url.as_ref()?;
        let mut scopes_supported: Vec<&str> = self.policy.required.iter().map(|scope| &**scope).collect();
        for scope in &self.policy.supported {
            if !scopes_supported.contains(&&**scope) {
                scopes_supported.push(scope);
            }
        }
        let document = Document {
            resource: self.resource.as_str(),
            authorization_servers: &self.authorization_servers,
            scopes_supported,
            bearer_methods_supported: ["header"],
            resource_name: self.name.as_deref(),
            resource_documentation: self.documentation.as_deref(),
            dpop_signing_alg_values_supported: ALGORITHMS.split(' ').collect(),
            dpop_bound_access_tokens_required: self.policy.dpop == DpopPolicy::Required,
        };
        serde_json::to_vec(&document).ok()
    }

    /// Returns whether the document is served at this URL: the well-known URL of the resource or that
    /// of its origin.
    pub(crate) fn has_metadata_at(&self, uri: &Uri) -> bool {
        let rest = uri.path().strip_prefix(WELL_KNOWN);
        rest.is_some_and(|rest| matches!(rest, "" | "/") || rest == self.resource.path())
    }
}
