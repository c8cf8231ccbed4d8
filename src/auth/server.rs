//! The settings of a resource server, and its check of a request's head.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header;
use http::request::Parts;

use super::access::Access;
use super::challenge::is_scope;
use super::credentials::{self, Credentials};
use super::denial::Denial;
use super::dpop::{DpopChecker, DpopPolicy, Possession, ProofHeader};
use super::lifetime::{Clock, Lifetime, Recheck};
use super::nonces::NonceKeys;
use super::policy::{CallsAtExpiry, ListedItems, Policy};
use super::resource::ResourceUrl;
use super::token::PresentedToken;
use super::verifier::TokenVerifier;
use crate::error::ConfigError;

/// An OAuth 2.1 resource server. Admits only requests whose access token was issued for it
/// (2026-07-28, Authorization).
///
/// ```
/// use mcp_stateless::auth::{JwtVerifier, ResourceServer};
/// use mcp_stateless::{StatelessSessionManager, ToolRegistry};
///
/// # let tools = ToolRegistry::builder().build()?;
/// # let manager = StatelessSessionManager::builder("tickets", "1.0.0").build()?;
/// let issuer = JwtVerifier::new("https://login.example.com")?;
/// let server = ResourceServer::new("https://mcp.example.com/mcp", issuer)?.scopes(["tickets:read"])?;
/// let service = manager.authorize(server).wrap(manager.service(tools));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The service protects every path that reaches it, and serves the resource's metadata at its
/// well-known URLs; see [`Authorize`](crate::manager::Authorize).
#[must_use]
pub struct ResourceServer {
    pub(super) resource: ResourceUrl,
    verifier: Arc<dyn TokenVerifier>,
    pub(super) authorization_servers: Vec<String>,
    pub(super) name: Option<String>,
    pub(super) documentation: Option<String>,
    pub(super) policy: Arc<Policy>,
    dpop: DpopChecker,
    max_token_size: usize,
    clock: Arc<Clock>,
}

impl ResourceServer {
    /// Creates a resource server for the public URL of the MCP endpoint, as its clients write it,
    /// such as `https://mcp.example.com/mcp`. Behind a proxy, this is the proxy's URL. Tokens must
    /// have been issued for this URL, and it is the only one in the metadata and in challenges. The
    /// `Host` of a request is never used for them.
    ///
    /// # Errors
    /// Returns an error if the URL does not use `https` (or `http` on a loopback host), or if it has
    /// a query, a fragment or user information.
    pub fn new(url: &str, verifier: impl TokenVerifier) -> Result<Self, ConfigError> {
        let resource = ResourceUrl::parse(url)?;
        let authorization_servers = verifier.issuers();
        let metadata_url = (!authorization_servers.is_empty()).then(|| resource.metadata_url());
        let policy = Policy { metadata_url, ..Policy::default() };
        Ok(Self {
            resource,
            verifier: Arc::new(verifier),
            authorization_servers,
            name: None,
            documentation: None,
            policy: Arc::new(policy),
            dpop: DpopChecker::default(),
            max_token_size: 8 * 1024,
            clock: Arc::new(SystemTime::now),
        })
    }

    /// Sets the scopes that every request needs. They are part of each challenge. By default there
    /// are none: any valid token may call tools that need no scope.
    ///
    /// # Errors
    /// Returns an error if one is not a valid scope (RFC 6749, section 3.3).
    pub fn scopes<S: Into<Box<str>>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        Arc::make_mut(&mut self.policy).required = checked(scopes)?;
        Ok(self)
    }

    /// Sets further scopes for the metadata, in addition to those that every request needs. Name the
    /// minimum that a client should request at first. Leave out `offline_access`, which concerns only
    /// the authorization server.
    ///
    /// # Errors
    /// Returns an error if one is not a valid scope.
    pub fn scopes_supported<S: Into<Box<str>>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        Arc::make_mut(&mut self.policy).supported = checked(scopes)?;
        Ok(self)
    }

    /// Sets which granted scopes imply others: `implies(granted, needed)`. The function is called
    /// often and must not block. A second call of this setter replaces the first.
    ///
    /// ```
    /// # use mcp_stateless::auth::{ApiKeys, ResourceServer};
    /// # let server = ResourceServer::new("https://mcp.example.com/mcp", ApiKeys::new("keys"))?;
    /// let server = server.scopes_imply(|granted, needed| match granted {
    ///     "admin" => true,
    ///     "tickets:write" => needed == "tickets:read",
    ///     _ => false,
    /// });
    /// # Ok::<(), mcp_stateless::ConfigError>(())
    /// ```
    pub fn scopes_imply(mut self, implies: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.policy).implies = Some(Arc::new(implies));
        self
    }

    /// Sets which items lists include; by default only those that the caller has the scopes for.
    pub fn listed(mut self, items: ListedItems) -> Self {
        Arc::make_mut(&mut self.policy).listed = items;
        self
    }

    /// Adds an authorization server to the metadata, in addition to the verifier's issuers.
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.authorization_servers.push(issuer.into());
        Arc::make_mut(&mut self.policy).metadata_url = Some(self.resource.metadata_url());
        self
    }

    /// Sets the human-readable name of the resource in the metadata.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the URL of the resource's documentation in the metadata.
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    /// Sets which tokens must be bound to a key of the client (RFC 9449). By default both bound and
    /// unbound tokens are accepted, bound ones only with a proof.
    pub fn dpop(mut self, policy: DpopPolicy) -> Self {
        Arc::make_mut(&mut self.policy).dpop = policy;
        self
    }

    /// Requires a nonce of this server in each proof, so that a proof cannot be created in advance (RFC
    /// 9449, section 9). By default, proofs need no nonce.
    ///
    /// A request whose proof has no nonce or an expired nonce gets 401 with `use_dpop_nonce` and a new
    /// nonce, and the client repeats the request. A client that sends requests regularly gets the next nonce
    /// before the current one expires. All replicas need the same keys.
    ///
    /// ```
    /// # use mcp_stateless::auth::{ApiKeys, NonceKeys, ResourceServer};
    /// # let server = ResourceServer::new("https://mcp.example.com/mcp", ApiKeys::new("keys"))?;
    /// # let text = "aa".repeat(32);
    /// let server = server.dpop_nonces(text.parse()?);
    /// # Ok::<(), mcp_stateless::ConfigError>(())
    /// ```
    pub fn dpop_nonces(mut self, keys: NonceKeys) -> Self {
        self.dpop.nonces = Some(keys);
        self
    }

    /// Sets what happens to a streaming call when its token expires; by default it finishes.
    pub fn calls_at_expiry(mut self, rule: CallsAtExpiry) -> Self {
        Arc::make_mut(&mut self.policy).calls_at_expiry = rule;
        self
    }

    /// Sets the maximum length of a token in bytes; 8 KiB by default. Longer ones get 400.
    pub fn max_token_size(mut self, bytes: usize) -> Self {
        self.max_token_size = bytes;
        self
    }

    /// Sets the source of the current time; by default the system's clock. Meant for tests.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Checks the head of a request and adds the caller to its extensions. Always removes the
    /// credentials from the head.
    pub(crate) async fn authorize(&self, head: &mut Parts) -> Result<(), Denial> {
        let read = credentials::read(head, self.max_token_size)
            .map(|Credentials { scheme, token }| (scheme, Box::<str>::from(token)));
        head.headers.remove(header::AUTHORIZATION);
        let proof = ProofHeader::take(head);
        let (scheme, secret) = read.map_err(|fault| self.policy.unreadable(fault))?;
        let now = (self.clock)();
        let presented = PresentedToken { secret: &secret, resource: &self.resource, now };
        let checked = self.verifier.verify(presented).await;
        let token = checked.map_err(|error| self.policy.unverified(scheme, &error))?;
        let possession = Possession {
            scheme,
            token: &token,
            proof: &proof,
            method: &head.method,
            policy: self.policy.dpop,
        };
        let next_nonce = self.dpop.check(&possession, presented).map_err(|fault| {
            let nonce = self.dpop.nonces.as_ref().and_then(|keys| keys.current(&self.resource, now));
            self.policy.unproven(fault, nonce)
        })?;
        if !self.policy.required.iter().all(|scope| self.policy.grants(&token, scope)) {
            return Err(Denial::insufficient(&self.policy.insufficient(&token, &[])));
        }
        let recheck = token.recheck().map(|_| {
            let verifier = Arc::clone(&self.verifier);
            Arc::new(Recheck { verifier, resource: self.resource.clone(), secret })
        });
        let lifetime = Lifetime { clock: Arc::clone(&self.clock), recheck };
        if let Some(nonce) = next_nonce {
            head.extensions.insert(nonce);
        }
        head.extensions.insert(token.principal().clone());
        head.extensions.insert(Access::judged(token, Arc::clone(&self.policy), lifetime));
        Ok(())
    }
}

fn checked<S: Into<Box<str>>>(scopes: impl IntoIterator<Item = S>) -> Result<Vec<Box<str>>, ConfigError> {
    let scopes = scopes.into_iter().map(Into::into).collect::<Vec<Box<str>>>();
    match scopes.iter().find(|scope| !is_scope(scope)) {
        Some(scope) => Err(ConfigError::new(format!("{scope:?} is not a scope that a resource can require"))),
        None => Ok(scopes),
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResourceServer")
            .field("resource", &self.resource)
            .field("authorization_servers", &self.authorization_servers)
            .finish_non_exhaustive()
    }
}
