//! Who may see a tool, a prompt or a resource.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

/// The tags of a tool, a prompt, a resource or a template: words of the host's own, such as
/// `admin`, which are not sent to clients. Clones share them.
///
/// They are set by `tag` of each definition. A rule for a whole registry looks at them
/// ([`ToolRegistryBuilder::visible_by_tags`](crate::registry::ToolRegistryBuilder::visible_by_tags)), as do a
/// middleware ([`CallInfo::tags`](crate::registry::CallInfo::tags)) and whatever else asks a registry
/// ([`Registry::tags`](crate::Registry::tags)).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tags(Option<Arc<Vec<Box<str>>>>);

impl Tags {
    /// Returns whether this tag is there.
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

/// Collects the tags, each once.
impl<T: Into<String>> FromIterator<T> for Tags {
    fn from_iter<I: IntoIterator<Item = T>>(tags: I) -> Self {
        let mut all = Self::default();
        tags.into_iter().for_each(|tag| all.add(tag.into()));
        all
    }
}

/// A rule of a registry: whether a caller, known by the head of its request, sees what has
/// these tags.
pub(crate) type TagRule = Arc<dyn Fn(&Tags, &Parts) -> bool + Send + Sync>;

/// Whether a caller, known by the head of its request, sees something.
type Condition = dyn Fn(&Parts) -> bool + Send + Sync;

/// Who may see one definition: those whom both its own condition and the rules of its registry let.
#[derive(Default)]
pub(crate) struct Rights {
    tags: Tags,
    visible_to: Option<Box<Condition>>,
    /// Of the registry, and of a builder that was merged into its own.
    rules: Vec<TagRule>,
}

impl Rights {
    pub(crate) fn tag(&mut self, tag: String) {
        self.tags.add(tag);
    }

    pub(crate) fn visible_to(&mut self, sees: impl Fn(&Parts) -> bool + Send + Sync + 'static) {
        self.visible_to = Some(Box::new(sees));
    }

    /// Puts the definition under the rule of its registry.
    pub(crate) fn add_rule(&mut self, rule: Option<&TagRule>) {
        self.rules.extend(rule.cloned());
    }

    pub(crate) fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Whether every caller sees it.
    pub(crate) fn are_public(&self) -> bool {
        self.visible_to.is_none() && self.rules.is_empty()
    }

    /// Whether a caller sees it.
    pub(crate) fn allow(&self, head: &Parts) -> bool {
        self.visible_to.as_ref().is_none_or(|sees| sees(head))
            && self.rules.iter().all(|rule| rule(&self.tags, head))
    }
}

/// The setters of rights, of what has them in the place `$($field).+`.
macro_rules! rights_setters {
    ($($field:ident).+) => {
        /// Shows and serves it only to callers for whom `sees` returns `true`, given the head of
        /// their HTTP request. For all others it does not exist: it is not listed, not served, not
        /// completed, and its changes are not told. Decide by what the host's own middleware has
        /// left in the extensions, not by a header that every client can send.
        ///
        /// It is asked with each call and each list, and must not block. A list of which something
        /// is not for everybody is private, because the next caller may see others. For a rule for
        /// all that a registry has, see `visible_by_tags` of its builder, and
        /// [`Filtered`](crate::registry::Filtered).
        pub fn visible_to(
            mut self,
            sees: impl Fn(&http::request::Parts) -> bool + Send + Sync + 'static,
        ) -> Self {
            self.$($field).+.visible_to(sees);
            self
        }

        /// Adds a tag, which rules and middleware look at; see [`Tags`](crate::call::Tags). It is not
        /// sent to clients.
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
        /// Shows and serves something only to callers for whom `sees` returns `true`, given its
        /// [`Tags`](crate::call::Tags) and the head of their HTTP request. A second call replaces the
        /// first. It applies beside the `visible_to` of each definition, under the same conditions.
        ///
        /// ```
        /// use http::request::Parts;
        /// use mcp_stateless::call::Tags;
        /// use mcp_stateless::{Tool, ToolRegistry};
        ///
        /// /// Left in the request's extensions by the authentication.
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
