//! The settings of a connection.

use std::fmt;
use std::time::Duration;

use redis::{ClientTlsConfig, TlsCertificates};

use crate::error::Error;
use crate::handle::Redis;
use crate::link::{Limits, Link};
use crate::random::random;
use crate::source::{SentinelUser, Source, check_prefix};

/// A builder of [`Redis`], created by [`Redis::builder`].
#[must_use]
pub struct RedisBuilder {
    url: String,
    prefix: String,
    limits: Limits,
    root_certificates: Option<Vec<u8>>,
    client_certificate: Option<ClientTlsConfig>,
    sentinel_user: Option<SentinelUser>,
}

impl Redis {
    /// Creates a builder with the [URL](crate#addresses) of Redis.
    pub fn builder(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder::new(url.into())
    }
}

impl RedisBuilder {
    fn new(url: String) -> Self {
        Self {
            url,
            prefix: "mcp-stateless".to_owned(),
            limits: Limits { response: Duration::from_secs(2), patience: Duration::from_secs(5) },
            root_certificates: None,
            client_certificate: None,
            sentinel_user: None,
        }
    }

    /// Sets the prefix of the names of all keys and channels; `mcp-stateless` by default. All replicas of a
    /// server need the same prefix, and different servers in the same Redis need different prefixes. A
    /// prefix has 1 to 128 of the characters `A-Z`, `a-z`, `0-9` and `._:-/`.
    ///
    /// Names of keys and channels begin with `{prefix}:`, including the braces, so that all keys are on one
    /// node of a Redis Cluster. A Redis user needs the permissions `~{prefix}:*` and `&{prefix}:*`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the time limit for connecting, and for the response to one command; 2 s by default. After
    /// this time, the connection is considered lost.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.limits.response = timeout;
        self
    }

    /// Sets the total time limit of a command, including repeated attempts on new connections; 5 s by
    /// default, and at least the [`response_timeout`](Self::response_timeout). Clients do not notice if
    /// Redis is unavailable for a shorter time. If it has been unavailable for longer, commands fail
    /// immediately.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.limits.patience = timeout;
        self
    }

    /// Trusts these root certificates, in PEM, instead of those of the system. Requires a URL with TLS.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// Sets the client certificate: its chain and its private key, in PEM. Requires a URL with TLS.
    pub fn client_certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.client_certificate = Some(ClientTlsConfig { client_cert: chain.into(), client_key: key.into() });
        self
    }

    /// Sets the user for connections to sentinels, and its password; none by default. The user and password
    /// in the URL are those of the server. For sentinels with only `requirepass`, the user is `default`.
    pub fn sentinel_user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.sentinel_user = Some(SentinelUser { name: name.into(), password: password.into() });
        self
    }

    /// Builds the handle, which connects when it is first used.
    ///
    /// # Errors
    /// Returns an error if the URL, the prefix or a certificate is not valid, or if the system cannot
    /// provide random numbers.
    pub fn build(mut self) -> Result<Redis, Error> {
        check_prefix(&self.prefix)?;
        self.limits.patience = self.limits.patience.max(self.limits.response);
        let certificates = (self.root_certificates.is_some() || self.client_certificate.is_some()).then_some(
            TlsCertificates { client_tls: self.client_certificate, root_cert: self.root_certificates },
        );
        let source = Source::read(&self.url, certificates.as_ref(), self.sentinel_user.as_ref())?;
        let prefix = format!("{{{}}}", self.prefix);
        let link = Link::new(source, format!("{prefix}:"), self.limits);
        Ok(Redis::new(link, prefix, random()?))
    }
}

/// Omits the URL, which may contain a password, the certificates, and the user of sentinels.
impl fmt::Debug for RedisBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisBuilder")
            .field("prefix", &self.prefix)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
