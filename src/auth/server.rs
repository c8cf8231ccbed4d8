//! A resource server: its settings, and its judgement of a request's head.

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

/// An OAuth 2.1 resource server: admits only requests whose access token was issued for it
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
/// The service answers at every path that reaches it, and serves the resource's metadata at its
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
    /// Creates a resource server at a public URL: the URL of the MCP endpoint as its clients write
    /// it, such as `https://mcp.example.com/mcp`. Tokens must have been issued for this URL, and it
    /// is all that clients are told; the `Host` of a request is never used. Behind a proxy it is
    /// the URL of the proxy.
    ///
    /// # Errors
    /// When the URL is not of `https` (or of `http` on a loopback host), or has a query, a fragment
    /// or user information.
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
    /// are none, and any valid token may call what needs no scope.
    ///
    /// # Errors
    /// When one is not a scope (RFC 6749, section 3.3).
    pub fn scopes<S: Into<Box<str>>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        Arc::make_mut(&mut self.policy).required = checked(scopes)?;
        Ok(self)
    }

    /// Sets the scopes that the metadata names besides those that every request needs: the least
    /// that a client should ask its user for at first. Leave out `offline_access`, which concerns
    /// the authorization server alone.
    ///
    /// # Errors
    /// When one is not a scope.
    pub fn scopes_supported<S: Into<Box<str>>>(
        mut self,
        scopes: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        Arc::make_mut(&mut self.policy).supported = checked(scopes)?;
        Ok(self)
    }

    /// Sets which granted scopes imply others: `implies(granted, needed)`. A second call replaces
    /// the first. It must not block, and is asked often.
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

    /// Sets what lists show to a caller that lacks scopes; by default only what it may call.
    pub fn listed(mut self, items: ListedItems) -> Self {
        Arc::make_mut(&mut self.policy).listed = items;
        self
    }

    /// Adds an authorization server to the metadata, besides the issuers that the verifier knows.
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.authorization_servers.push(issuer.into());
        Arc::make_mut(&mut self.policy).metadata_url = Some(self.resource.metadata_url());
        self
    }

    /// Sets the resource's name for people, in the metadata.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets where developers read about the resource, in the metadata.
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    /// Sets which tokens must be bound to a key of the client (RFC 9449). By default those that are
    /// bound are accepted only with a proof, and others without one.
    pub fn dpop(mut self, policy: DpopPolicy) -> Self {
        Arc::make_mut(&mut self.policy).dpop = policy;
        self
    }

    /// Demands a nonce of this server in each proof, so that a proof that was made in advance, or for
    /// a server with another clock, cannot be sent later (RFC 9449, section 9). By default proofs need
    /// none.
    ///
    /// A client whose proof has no nonce, or an old one, gets 401 with `use_dpop_nonce` and the nonce to
    /// use, and sends its request again. One that goes on sending requests gets the next nonce in time.
    /// With several replicas, give all of them the same keys.
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

    /// Sets what happens to a call that streams when its token expires; by default it comes to its end.
    pub fn calls_at_expiry(mut self, rule: CallsAtExpiry) -> Self {
        Arc::make_mut(&mut self.policy).calls_at_expiry = rule;
        self
    }

    /// Sets the longest token that is read, in bytes; 8 KiB by default. Longer ones get 400.
    pub fn max_token_size(mut self, bytes: usize) -> Self {
        self.max_token_size = bytes;
        self
    }

    /// Sets where the time comes from; by default the system's clock. For tests.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Judges the head of a request, and leaves the caller in its extensions. The credentials are
    /// removed from the head, whatever the outcome.
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
        Some(scope) => Err(ConfigError::new(format!("{scope:?} is not a scope that a resource can need"))),
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
