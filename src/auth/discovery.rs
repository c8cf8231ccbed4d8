//! The metadata of an authorization server (RFC 8414, `OpenID` Connect Discovery 1.0).

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use super::fetch::{FetchError, HttpClient, fetch};
use super::resource::canonical;
use crate::error::ConfigError;

/// The members of the metadata that are used.
#[derive(Deserialize)]
struct ServerMetadata {
    issuer: String,
    jwks_uri: Option<String>,
}

/// Checks that a URL of an issuer uses `https` or a loopback host, and has no query.
pub(super) fn check_url(url: &str) -> Result<(), ConfigError> {
    match canonical(url) {
        Some(canonical) if canonical.is_plain && canonical.is_safe() => Ok(()),
        _ => Err(ConfigError::new(format!(
            "{url:?} is not the URL of an authorization server: it must use https (or http on a loopback host), \
             without a query or a fragment"
        ))),
    }
}

/// Discovers the URL of an issuer's keys. Tries the well-known URLs in the order of the
/// specification (2026-07-28, Authorization Server Discovery).
pub(super) async fn jwks_url(client: &dyn HttpClient, issuer: &str) -> Result<String, FetchError> {
    let mut last = FetchError::Malformed("the issuer has no metadata");
    for url in metadata_urls(issuer) {
        let request = get(&url)?;
        let metadata = match fetch(client, request).await {
            Ok(metadata) => metadata,
            // Another URL may have the metadata. Do not try a server that is down three times.
            Err(error @ FetchError::Status(_)) => {
                last = error;
                continue;
            }
            Err(error) => return Err(error),
        };
        let metadata: ServerMetadata = serde_json::from_slice(&metadata)
            .map_err(|_| FetchError::Malformed("the metadata is not valid JSON"))?;
        if metadata.issuer != issuer {
            return Err(FetchError::Malformed("the metadata names another issuer"));
        }
        let url = metadata.jwks_uri.ok_or(FetchError::Malformed("the metadata has no `jwks_uri`"))?;
        let is_safe = canonical(&url).is_some_and(|url| url.is_safe());
        return if is_safe { Ok(url) } else { Err(FetchError::Malformed("the `jwks_uri` must use https")) };
    }
    Err(last)
}

pub(super) fn get(url: &str) -> Result<Request<Bytes>, FetchError> {
    Request::get(url).body(Bytes::new()).map_err(|_| FetchError::Malformed("a URL is malformed"))
}

fn metadata_urls(issuer: &str) -> Vec<String> {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    let path = issuer.find("://").map_or(0, |at| at + 3);
    let path = issuer[path..].find('/').map_or(issuer.len(), |at| path + at);
    let (origin, path) = issuer.split_at(path);
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        urls.push(format!("{issuer}/.well-known/openid-configuration"));
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::metadata_urls;

    #[test]
    fn metadata_is_looked_for_where_the_specification_says() {
        assert_eq!(
            metadata_urls("https://a.example/"),
            [
                "https://a.example/.well-known/oauth-authorization-server",
                "https://a.example/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            metadata_urls("https://a.example/tenant/1"),
            [
                "https://a.example/.well-known/oauth-authorization-server/tenant/1",
                "https://a.example/.well-known/openid-configuration/tenant/1",
                "https://a.example/tenant/1/.well-known/openid-configuration",
            ]
        );
    }
}
