//! Rules about who may see a tool, a prompt or a resource.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

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

/// Who may see a definition: callers that pass both its own condition and the rules of its registry.
#[derive(Default)]
pub(crate) struct Rights {
    tags: Tags,
    visible_to: Option<Box<Condition>>,
    /// The rules of the registry, and of the builder that was merged into its builder.
    rules: Vec<TagRule>,
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
        self.visible_to.is_none() && self.rules.is_empty()
    }

    /// Returns whether the sender of a request sees the definition.
    pub(crate) fn allow(&self, head: &Parts) -> bool {
        self.visible_to.as_ref().is_none_or(|sees| sees(head))
            && self.rules.iter().all(|rule| rule(&self.tags, head))
    }
}

/// The setters of a definition whose rights are in the field `$($field).+`.
macro_rules! rights_setters {
    ($($field:ident).+) => {
        /// Makes it visible only to callers for whom `sees` returns `true`, given the head of their
        /// HTTP request. For all others it does not exist: it is not listed, called or completed,
        /// and its changes are not reported. Decide by what the host's middleware has put into the
        /// extensions, not by a header, which any client can send.
        ///
        /// `sees` runs for each call and each list, and must not block. A list with items that are
        /// not visible to everyone is always private, because other callers may see other items. To
        /// set a rule for a whole registry, see `visible_by_tags` of its builder, and
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
