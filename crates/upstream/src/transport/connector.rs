//! The connections to an upstream over HTTP, with and without TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::settings::Endpoint;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// How many connections wait for calls to come. A burst of calls opens as many as it has.
const MOST_IDLE: usize = 64;

pub(crate) type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Makes ready to connect; sessions of one upstream share the connections.
///
/// # Errors
/// When a certificate cannot be read, or when the URL is of `https` and there is none.
pub(crate) fn connections(endpoint: &Endpoint) -> io::Result<Connections> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_LIMIT));
    http.set_nodelay(true);
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = config.with_root_certificates(roots(endpoint)?).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config);
    let connector = connector.https_or_http().enable_http1().wrap_connector(http);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_idle_timeout(IDLE_CONNECTION).pool_timer(TokioTimer::new()).pool_max_idle_per_host(MOST_IDLE);
    Ok(client.build(connector))
}

/// The certificates of the system and of the host, where they are needed.
fn roots(endpoint: &Endpoint) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for pem in &endpoint.roots {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        if roots.len() == before {
            return Err(io::Error::other("a root certificate is not PEM"));
        }
    }
    // Other origins are never asked, so that those of `http` need none.
    if endpoint.uri.scheme_str() == Some("https") {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            let errors: Vec<_> = system.errors.iter().map(ToString::to_string).collect();
            return Err(io::Error::other(format!("there is no root certificate: {}", errors.join("; "))));
        }
    }
    Ok(roots)
}
