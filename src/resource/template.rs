//! A resource template: all resources whose URIs match a pattern.

use std::collections::BTreeMap;
use std::fmt;

use uri_template_ex::UriTemplate;

use super::definition::{About, Reader, about};
use super::list::{BoundLister, Lister, ResourceList};
use super::{ResourceOutput, uri};
use crate::call::{Handler, StatefulHandler, rights_setters};
use crate::completion::{CompiledCompleters, Completers, Completion};
use crate::error::RegistryError;
use crate::protocol::{Annotations, CacheHint, Icon, meta_setter};

/// A resource template to add to a [`ResourceRegistry`](crate::ResourceRegistry): its definition,
/// and the handler that reads the resources that match its pattern (feature `templates`).
///
/// The pattern is a URI template of RFC 6570, level 2: `{name}` matches text without reserved
/// characters such as `/`, `{+name}` text with them, and `{#name}` a fragment. The variables become
/// the arguments of the handler. The value of `{name}` is percent-decoded. The others are passed as
/// they stand in the URI, because there an encoded character may differ in meaning from a plain
/// one.
///
/// URIs are matched in canonical form (RFC 3986, section 6.2.2), without dot segments and needless
/// encoding, which is also the form that [`Filtered`](crate::registry::Filtered) checks. A URI that
/// a handler could mistake for another matches no template: a variable must not contain an encoded
/// slash, backslash or control character, anything that is encoded twice, or a segment `.` or `..`.
/// A `{name}` must not contain an encoded character that separates parts of the pattern.
///
/// ```
/// use mcp_stateless::protocol::RpcError;
/// use mcp_stateless::resource::ResourceTemplate;
/// use mcp_stateless::ResourceRegistry;
///
/// #[derive(serde::Deserialize)]
/// struct Page { number: u32 }
///
/// let pages = ResourceTemplate::new("book://pages/{number}", "page", async |Page { number }: Page| {
///     match number {
///         1..=300 => Ok(format!("This is page {number}.")),
///         _ => Err(RpcError::resource_not_found(&format!("book://pages/{number}"))),
///     }
/// });
/// let resources = ResourceRegistry::builder().register_template(pages).build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// `S` is the state that the handler takes, which the registry's builder provides.
#[must_use]
pub struct ResourceTemplate<S = ()> {
    template: String,
    pub(crate) about: About,
    completers: Completers<S>,
    lister: Option<Lister<S>>,
    handler: StatefulHandler<S, ResourceOutput>,
}

impl<S> fmt::Debug for ResourceTemplate<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ResourceTemplate").field("template", &self.template).finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> ResourceTemplate<S> {
    /// Creates a template with this pattern. The `handler` reads a resource, given the variables.
    pub fn new<M, H: Handler<M, S, ResourceOutput>>(
        uri_template: impl Into<String>,
        name: impl Into<String>,
        handler: H,
    ) -> Self {
        Self {
            template: uri_template.into(),
            about: About::new(name.into()),
            completers: Completers::default(),
            lister: None,
            handler: StatefulHandler::new(handler),
        }
    }

    /// Sets a handler that lists the resources of the template. It returns a [`ResourceList`] or a
    /// `Vec` of [`ResourceLink`](crate::protocol::ResourceLink)s, which are listed after the
    /// registry's fixed resources. A handler that lists in pages takes a
    /// [`ListPage`](super::ListPage). Without such a handler, clients see only the pattern.
    ///
    /// ```
    /// use mcp_stateless::protocol::ResourceLink;
    /// use mcp_stateless::resource::ResourceTemplate;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Page { number: u32 }
    ///
    /// let pages = ResourceTemplate::new("book://pages/{number}", "page", async |Page { number }: Page| {
    ///     format!("This is page {number}.")
    /// })
    /// .list(async || {
    ///     let page = |number| ResourceLink::new(format!("book://pages/{number}"), format!("Page {number}"));
    ///     (1..=300).map(page).collect::<Vec<_>>()
    /// });
    /// # let _: ResourceTemplate = pages;
    /// ```
    pub fn list<M, H: Handler<M, S, ResourceList>>(mut self, lister: H) -> Self {
        self.lister = Some(StatefulHandler::new(lister));
        self
    }

    /// Sets the handler that completes the values of a variable (`completion/complete`). It takes a
    /// [`Completing`](crate::completion::Completing).
    pub fn complete<M, H>(mut self, variable: impl Into<String>, completer: H) -> Self
    where
        H: Handler<M, S, Completion>,
    {
        self.completers.insert(variable.into(), StatefulHandler::new(completer));
        self
    }
}

impl<S> ResourceTemplate<S> {
    /// Binds the handlers to their state, so that the template fits a registry with any other
    /// state.
    pub fn with_state<Other>(self, state: S) -> ResourceTemplate<Other>
    where
        S: Clone,
    {
        ResourceTemplate {
            completers: self.completers.with_state(&state),
            lister: self.lister.map(|lister| StatefulHandler::Bound(lister.bind(state.clone()))),
            handler: StatefulHandler::Bound(self.handler.bind(state)),
            template: self.template,
            about: self.about,
        }
    }

    about!();
}

impl ResourceTemplate {
    /// Checks the definition and compiles it.
    pub(crate) fn compile(self) -> Result<CompiledTemplate, RegistryError> {
        let error = |fault: String| RegistryError::new("resource template", &self.template, fault);
        uri::check(&self.template).and_then(|()| self.about.check()).map_err(error)?;
        let canonical = uri::canonical(&self.template).into_owned();
        let pattern = UriTemplate::new(&canonical)
            .map_err(|_| error("it is not a URI template of RFC 6570, level 2".to_owned()))?;
        // The parser reads a list of variables, which belongs to higher levels, as one strange
        // name.
        let is_name =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
        if let Some(name) = pattern.var_names().find(|name| name.is_empty() || !is_name(name)) {
            return Err(error(format!("`{{{name}}}` is not of RFC 6570, level 2")));
        }
        let names: Vec<&str> = pattern.var_names().collect();
        if let Some(twin) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(error(format!("the variable `{}` occurs twice", twin.1)));
        }
        if let Some(stray) = self.completers.arguments().find(|name| pattern.find_var_name(name).is_none()) {
            return Err(error(format!("`{stray}` has a completer, but is not a variable")));
        }
        Ok(CompiledTemplate {
            definition: self.about.write(("uriTemplate", &self.template), None),
            template: self.template,
            delimiters: delimiters(&canonical),
            canonical,
            pattern,
            completers: self.completers.compile(),
            lister: self.lister.map(|lister| lister.bind(())),
            reader: Reader::new(self.about, self.handler.bind(())),
        })
    }
}

/// A checked template, ready to be matched.
pub(crate) struct CompiledTemplate {
    pub(crate) template: String,
    pub(crate) definition: Vec<u8>,
    pub(crate) completers: CompiledCompleters,
    pub(crate) lister: Option<BoundLister>,
    pub(crate) reader: Reader,
    /// The template in its canonical form.
    pub(crate) canonical: String,
    pattern: UriTemplate,
    /// The reserved characters that separate parts of the pattern.
    delimiters: Vec<char>,
}

impl CompiledTemplate {
    /// Returns the variables of a URI in canonical form as a JSON object. Returns `None` for a URI
    /// that does not match, or that could be mistaken for another.
    pub(crate) fn variables(&self, uri: &str) -> Option<String> {
        let captures = self.pattern.captures(uri)?;
        let mut variables = BTreeMap::new();
        for (name, value) in captures.iter() {
            let Some(value) = value else { continue };
            // Text that is not UTF-8 names no resource.
            let (decoded, handed_over) = (uri::decoded(value.source())?, value.value().ok()?);
            let splits = |letter: char| self.delimiters.contains(&letter);
            let is_ambiguous = value.source().contains("%2F")
                || decoded.contains(|letter: char| letter == '\\' || letter.is_control())
                || decoded.split('/').any(|segment| matches!(segment, "." | ".."))
                || uri::has_triplet(&decoded)
                || (handed_over != value.source() && handed_over.contains(splits));
            if is_ambiguous {
                return None;
            }
            variables.insert(name, handed_over);
        }
        serde_json::to_string(&variables).ok()
    }
}

/// Returns the reserved characters of a template outside its variables and after its scheme.
fn delimiters(template: &str) -> Vec<char> {
    let rest = template.split_once(':').map_or(template, |(_, rest)| rest);
    let literals = rest.split('{').flat_map(|piece| piece.split_once('}').map_or(piece, |it| it.1).chars());
    literals.filter(|letter| ":/?#[]@!$&'()*+,;=".contains(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::ResourceTemplate;

    fn variables(template: &str, uri: &str) -> Option<String> {
        ResourceTemplate::new(template, "test", async || "").compile().expect(template).variables(uri)
    }

    #[test]
    fn variables_are_taken_out_of_uris_of_the_pattern() {
        for (template, uri, expected) in [
            ("test://{id}/data", "test://12/data", Some(r#"{"id":"12"}"#)),
            ("test://{id}/data", "test://a%20b%C3%A9%40/data", Some(r#"{"id":"a bé@"}"#)),
            ("test://%7Eme/{id}", "test://~me/1", Some(r#"{"id":"1"}"#)),
            ("test://{id}/data", "test://1/2/data", None),
            ("test://{id}/data", "test://12/data/more", None),
            ("test://{id}/data", "more test://12/data", None),
            ("file:///{+path}", "file:///a/b.txt", Some(r#"{"path":"a/b.txt"}"#)),
            ("test://{a}/{b}", "test://1/2", Some(r#"{"a":"1","b":"2"}"#)),
            ("test://{id}", "test://%ff", None),
        ] {
            assert_eq!(variables(template, uri).as_deref(), expected, "{template} {uri}");
        }
    }

    #[test]
    fn a_uri_that_could_be_taken_for_another_has_no_variables() {
        for (template, uri) in [
            ("note://{folder}/{id}", "note://private%2F/1"),
            ("note://{folder}/{id}", "note://a%5Cb/1"),
            ("note://{folder}/{id}", "note://a%00/1"),
            ("note://{folder}/{id}", "note://a%C2%85/1"),
            ("note://{folder}/{id}", "note://%2570rivate/1"),
            ("note://{folder}/{id}", "note://../1"),
            ("note://{folder}/{id}", "note://./1"),
            ("db:{table}@{host}", "db:a%40b@c"),
            ("file:///{+path}", "file:///a/..%2Fb"),
            ("file:///{+path}", "file:///a/..%5Cb"),
            ("file:///{+path}", "file:///a?/../b"),
            ("file:///{+path}", "file:///%2570rivate"),
            ("file:///{+path}", "file:///a%0Ab"),
            ("doc://a{#part}", "doc://a#..%2Fb"),
        ] {
            assert_eq!(variables(template, uri), None, "{template} {uri}");
        }
    }
}
