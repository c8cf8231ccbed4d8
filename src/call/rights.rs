//! Rules about who may see a tool, a prompt or a resource.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::{Call, CallError};
#[cfg(feature = "auth")]
use crate::auth::{Access, InsufficientScope};

/// The tags of a tool, a prompt, a resource or a template: strings that the host chooses, such as
/// `admin`. They are not sent to clients. Clones share the same strings.
///
/// The method `tag` of a definition adds a tag. Tags are read by the rule of a registry
/// ([`ToolRegistryBuilder::visible_by_tags`](crate::registry::ToolRegistryBuilder::visible_by_tags)), by
/// middleware ([`CallInfo::tags`](crate::registry::CallInfo::tags)), and with
/// [`Registry::tags`](crate::Registry::tags).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tags(Option<Arc<Vec<Box<str>>>>);

impl Tags {
    /// Returns whether the tags contain `tag`.
    pub fn has(&self, tag: &str) -> bool {
        self.iter().any(|other| other == tag)
    }

    /// Returns the tags in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|tags| tags.iter().map(|tag| &**tag))
    }

    fn add(&mut self, tag: String) {
        if !self.has(&tag) {
            Arc::make_mut(self.0.get_or_insert_default()).push(tag.into());
        }
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

/// Collects tags without duplicates.
impl<T: Into<String>> FromIterator<T> for Tags {
    fn from_iter<I: IntoIterator<Item = T>>(tags: I) -> Self {
        let mut all = Self::default();
        tags.into_iter().for_each(|tag| all.add(tag.into()));
        all
    }
}

/// A rule of a registry: whether the sender of a request sees an item with these tags.
pub(crate) type TagRule = Arc<dyn Fn(&Tags, &Parts) -> bool + Send + Sync>;

/// A rule of a definition: whether the sender of a request sees it.
type Condition = dyn Fn(&Parts) -> bool + Send + Sync;

/// The scopes that a call of one definition needs.
#[cfg(feature = "auth")]
#[derive(Default)]
struct NeededScopes {
    always: Vec<Box<str>>,
    by_call: Option<Box<ScopesOfCall>>,
}

#[cfg(feature = "auth")]
type ScopesOfCall = dyn Fn(&Call<'_>) -> Vec<String> + Send + Sync;

/// Who may see a definition: callers that pass both its own condition and the rules of its registry.
#[derive(Default)]
pub(crate) struct Rights {
    tags: Tags,
    visible_to: Option<Box<Condition>>,
    /// The rules of the registry, and of the builder that was merged into its builder.
    rules: Vec<TagRule>,
    #[cfg(feature = "auth")]
    scopes: NeededScopes,
}

impl Rights {
    pub(crate) fn tag(&mut self, tag: String) {
        self.tags.add(tag);
    }

    pub(crate) fn visible_to(&mut self, sees: impl Fn(&Parts) -> bool + Send + Sync + 'static) {
        self.visible_to = Some(Box::new(sees));
    }

    /// Adds the rule of the definition's registry.
    pub(crate) fn add_rule(&mut self, rule: Option<&TagRule>) {
        self.rules.extend(rule.cloned());
    }

    pub(crate) fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Returns whether every caller sees the definition.
    pub(crate) fn are_public(&self) -> bool {
        #[cfg(feature = "auth")]
        if !self.scopes.always.is_empty() || self.scopes.by_call.is_some() {
            return false;
        }
        self.visible_to.is_none() && self.rules.is_empty()
    }

    /// Returns whether the sender of a request sees the definition.
    pub(crate) fn allow(&self, head: &Parts) -> bool {
        self.visible_to.as_ref().is_none_or(|sees| sees(head))
            && self.rules.iter().all(|rule| rule(&self.tags, head))
    }

    /// Returns whether lists include the definition for a caller.
    pub(crate) fn list(&self, head: &Parts) -> bool {
        #[cfg(feature = "auth")]
        if !Access::of(head).is_some_and(Access::lists_all) && !self.scopes.are_granted(head) {
            return false;
        }
        self.allow(head)
    }

    /// Returns whether a caller may use the definition other than by a call, for example to complete its
    /// arguments or to be notified of its changes.
    pub(crate) fn permit(&self, head: &Parts) -> bool {
        #[cfg(feature = "auth")]
        if !self.scopes.are_granted(head) {
            return false;
        }
        self.allow(head)
    }

    /// Refuses a call whose caller lacks a scope. The error names all scopes that the call needs.
    #[cfg(feature = "auth")]
    pub(crate) fn check_scopes(&self, call: &Call<'_>) -> Result<(), CallError> {
        let NeededScopes { always, by_call } = &self.scopes;
        if always.is_empty() && by_call.is_none() {
            return Ok(());
        }
        #[cfg(feature = "tasks")]
        if call.head().extensions.get::<super::AuthorizedBefore>().is_some() {
            return Ok(());
        }
        let by_call = by_call.as_ref().map(|needed| needed(call)).unwrap_or_default();
        let needed: Vec<&str> =
            always.iter().map(|scope| &**scope).chain(by_call.iter().map(String::as_str)).collect();
        let checked = match Access::of(call.head()) {
            Some(access) => access.require(&needed),
            None if needed.is_empty() => Ok(()),
            None => Err(InsufficientScope::without_token(&needed)),
        };
        checked.map_err(|missing| CallError::InsufficientScope(Box::new(missing)))
    }

    #[cfg(not(feature = "auth"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "with the feature it looks at scopes")]
    pub(crate) fn check_scopes(&self, _: &Call<'_>) -> Result<(), CallError> {
        Ok(())
    }

    #[cfg(feature = "auth")]
    pub(crate) fn scope(&mut self, scope: Box<str>) {
        if !self.scopes.always.contains(&scope) {
            self.scopes.always.push(scope);
        }
    }

    #[cfg(feature = "auth")]
    pub(crate) fn scopes_by(&mut self, needed: impl Fn(&Call<'_>) -> Vec<String> + Send + Sync + 'static) {
        self.scopes.by_call = Some(Box::new(needed));
    }

    /// Checks the syntax of the scopes.
    #[cfg(feature = "auth")]
    pub(crate) fn check(&self) -> Result<(), String> {
        let wrong = self.scopes.always.iter().find(|scope| !crate::auth::is_scope(scope));
        wrong.map_or(Ok(()), |scope| Err(format!("{scope:?} is not a scope that a resource can require")))
    }

    #[cfg(not(feature = "auth"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "with the feature it looks at scopes")]
    pub(crate) fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(feature = "auth")]
impl NeededScopes {
    /// Returns whether a caller has all scopes that do not depend on a call.
    fn are_granted(&self, head: &Parts) -> bool {
        self.always.is_empty()
            || Access::of(head).is_some_and(|access| self.always.iter().all(|scope| access.may(scope)))
    }
}

/// The setters of a definition whose rights are in the field `$($field).+`.
macro_rules! rights_setters {
    ($($field:ident).+) => {
        /// Makes the definition visible only to callers for whom `sees` returns `true`, given the head of
        /// their HTTP request. For all others it does not exist: it is not listed, called or completed, and
        /// its changes are not reported. Decide by values that the host's middleware has inserted into the
        /// extensions, not by a header, which any client can send.
        ///
        /// `sees` runs for each call and each list, and must not block. A list with items that are
        /// not visible to everyone is always private, because other callers may see other items; so
        /// are the contents of such a resource. To set a rule for a whole registry, see `visible_by_tags` of its builder, and
        /// [`Filtered`](crate::registry::Filtered).
        pub fn visible_to(
            mut self,
            sees: impl Fn(&http::request::Parts) -> bool + Send + Sync + 'static,
        ) -> Self {
            self.$($field).+.visible_to(sees);
            self
        }

        /// Adds a tag for rules and middleware; see [`Tags`](crate::call::Tags). Tags are not sent
        /// to clients.
        pub fn tag(mut self, tag: impl Into<String>) -> Self {
            self.$($field).+.tag(tag.into());
            self
        }

        /// Adds a scope that the caller's access token must grant (feature `auth`). Without the scope, a
        /// call gets HTTP 403 and a challenge that names all scopes that it needs, and the handler does not
        /// run. The [`ResourceServer`](crate::auth::ResourceServer) decides whether lists include the
        /// definition for callers without the scope. A request that has not passed a resource server has no
        /// scopes.
        ///
        /// An invalid scope (RFC 6749, section 3.3) is an error when the registry is built.
        #[cfg(feature = "auth")]
        pub fn scope(mut self, scope: impl Into<Box<str>>) -> Self {
            self.$($field).+.scope(scope.into());
            self
        }

        /// Sets a function that returns the scopes that a call needs because of its target and its
        /// arguments, in addition to those of [`scope`](Self::scope) (feature `auth`). A second call of this
        /// setter replaces the first. These scopes do not affect lists. The function must not block. If it
        /// cannot parse the arguments, it must demand a scope, unless the handler cannot parse them either.
        ///
        /// ```
        /// use mcp_stateless::Tool;
        /// use mcp_stateless::call::Call;
        ///
        /// #[derive(serde::Deserialize, schemars::JsonSchema)]
        /// struct Move { from: String, to: String }
        ///
        /// let tool = Tool::new("move", "Move a file", async |_: Move| "moved").scopes_by(|call: &Call<'_>| {
        ///     match serde_json::from_str::<Move>(call.arguments()) {
        ///         Ok(it) => vec![format!("{}:write", it.from), format!("{}:write", it.to)],
        ///         Err(_) => vec!["admin".to_owned()],
        ///     }
        /// });
        /// # let _: Tool = tool;
        /// ```
        #[cfg(feature = "auth")]
        pub fn scopes_by(
            mut self,
            needed: impl Fn(&$crate::call::Call<'_>) -> Vec<String> + Send + Sync + 'static,
        ) -> Self {
            self.$($field).+.scopes_by(needed);
            self
        }
    };
}
pub(crate) use rights_setters;

/// The setter of a builder's rule.
macro_rules! rule_setter {
    () => {
        /// Makes each item visible only to callers for whom `sees` returns `true`, given the item's
        /// [`Tags`](crate::call::Tags) and the head of their HTTP request. A second call replaces
        /// the first. It applies in addition to the `visible_to` of each definition, and works like
        /// it.
        ///
        /// ```
        /// use http::request::Parts;
        /// use mcp_stateless::call::Tags;
        /// use mcp_stateless::{Tool, ToolRegistry};
        ///
        /// /// The authentication puts it into the request's extensions.
        /// #[derive(Clone)]
        /// struct User { roles: Vec<String> }
        ///
        /// let tools = ToolRegistry::builder()
        ///     .tool("read", "Read", async || "…")
        ///     .register(Tool::new("reset", "Reset", async || "done").tag("admin"))
        ///     .visible_by_tags(|tags: &Tags, head: &Parts| {
        ///         let roles = head.extensions.get::<User>().map(|user| user.roles.as_slice());
        ///         tags.iter().all(|tag| roles.is_some_and(|roles| roles.iter().any(|role| role == tag)))
        ///     })
        ///     .build()?;
        /// # Ok::<(), mcp_stateless::RegistryError>(())
        /// ```
        pub fn visible_by_tags(
            mut self,
            sees: impl Fn(&$crate::call::Tags, &http::request::Parts) -> bool + Send + Sync + 'static,
        ) -> Self {
            self.rule = Some(std::sync::Arc::new(sees));
            self
        }
    };
}
pub(crate) use rule_setter;
