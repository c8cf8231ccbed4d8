//! The issues. Each method of a block with a macro is a tool, a prompt or a resource.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mcp_stateless::ask::AskError;
use mcp_stateless::call::Extension;
use mcp_stateless::{CallContext, Json, ToolError, prompts, resources, tools};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::{User, is_maintainer};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    #[default]
    Open,
    InProgress,
    Closed,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
struct Issue {
    number: u32,
    title: String,
    text: String,
    status: Status,
    author: String,
    assignee: Option<String>,
    labels: BTreeSet<String>,
    comments: Vec<String>,
}

/// Why an operation failed. `manager` in `main.rs` decides what clients see.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("There is no issue {0}")]
    NotFound(u32),
    #[error("Only its author and maintainers may change issue {0}")]
    NotYours(u32),
    #[error("the issues could not be written: {0}")]
    Storage(#[from] std::io::Error),
}

type IssueResult = Result<Json<Issue>, Error>;

/// The state that all handlers share. In a real tracker, this is a pool of database connections.
pub(crate) struct Tracker {
    issues: Mutex<BTreeMap<u32, Issue>>,
    export_to: PathBuf,
}

impl Tracker {
    pub(crate) fn new(export_to: impl Into<PathBuf>) -> Self {
        Self { issues: Mutex::default(), export_to: export_to.into() }
    }

    fn issues(&self) -> MutexGuard<'_, BTreeMap<u32, Issue>> {
        self.issues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, number: u32) -> Result<Issue, Error> {
        self.issues().get(&number).cloned().ok_or(Error::NotFound(number))
    }

    /// Changes an issue. Reporters can only change their own issues.
    fn change(&self, user: &User, number: u32, change: impl FnOnce(&mut Issue)) -> IssueResult {
        let mut issues = self.issues();
        let issue = issues.get_mut(&number).ok_or(Error::NotFound(number))?;
        if !user.is_maintainer && issue.author != user.name {
            return Err(Error::NotYours(number));
        }
        change(issue);
        Ok(Json(issue.clone()))
    }
}

#[tools]
impl Tracker {
    /// Tells who is logged in.
    #[tool(read_only)]
    fn whoami(Extension(user): Extension<User>) -> &'static str {
        user.name
    }

    /// Finds issues whose title or text contains a text.
    #[tool(read_only)]
    fn search(&self, text: String, status: Option<Status>) -> Json<Vec<Issue>> {
        let contains = |issue: &&Issue| issue.title.contains(&text) || issue.text.contains(&text);
        let has_status = |issue: &&Issue| status.is_none_or(|status| issue.status == status);
        Json(self.issues().values().filter(contains).filter(has_status).cloned().collect())
    }

    /// Gets an issue with its comments.
    #[tool(read_only)]
    fn get(&self, number: u32) -> IssueResult {
        self.find(number).map(Json)
    }

    /// Creates an issue.
    fn create(&self, Extension(user): Extension<User>, title: String, text: Option<String>) -> Json<Issue> {
        let mut issues = self.issues();
        let number = issues.last_key_value().map_or(1, |(last, _)| last + 1);
        let (author, text) = (user.name.to_owned(), text.unwrap_or_default());
        let issue = Issue { number, title, text, author, ..Issue::default() };
        issues.insert(number, issue.clone());
        Json(issue)
    }

    /// Changes the title of an issue.
    fn rename(&self, Extension(user): Extension<User>, number: u32, title: String) -> IssueResult {
        self.change(&user, number, |issue| issue.title = title)
    }

    /// Comments on an issue.
    fn comment(&self, Extension(user): Extension<User>, number: u32, text: String) -> IssueResult {
        self.change(&user, number, |issue| issue.comments.push(format!("{}: {text}", user.name)))
    }

    /// Assigns an issue, or unassigns it if no assignee is given.
    fn assign(&self, Extension(user): Extension<User>, number: u32, assignee: Option<String>) -> IssueResult {
        self.change(&user, number, |issue| issue.assignee = assignee)
    }

    /// Adds a label to an issue.
    fn label(&self, Extension(user): Extension<User>, number: u32, label: String) -> IssueResult {
        self.change(&user, number, |issue| _ = issue.labels.insert(label))
    }

    /// Opens, starts or closes an issue.
    #[tool(idempotent)]
    fn set_status(&self, Extension(user): Extension<User>, number: u32, status: Status) -> IssueResult {
        self.change(&user, number, |issue| issue.status = status)
    }

    /// Creates an issue of each title, and tells how many there are then.
    #[tool(visible_to = is_maintainer)]
    async fn import(&self, cx: CallContext, user: Extension<User>, titles: Vec<String>) -> usize {
        for (done, title) in (1_u32..).zip(titles) {
            cx.progress(done.into(), None, &title).await;
            self.create(user.clone(), title, None);
        }
        self.issues().len()
    }

    /// Writes all issues to the server's disk.
    #[tool(visible_to = is_maintainer)]
    async fn export(&self) -> Result<&'static str, Error> {
        let issues = serde_json::json!(*self.issues()).to_string();
        tokio::fs::write(&self.export_to, issues).await?;
        Ok("Written.")
    }

    /// Deletes an issue permanently, once the user agrees.
    #[tool(destructive, visible_to = is_maintainer)]
    async fn delete(&self, cx: CallContext, number: u32) -> Result<String, ToolError> {
        let Issue { title, .. } = self.find(number)?;
        match cx.elicit("confirm", format!("Delete issue {number}, {title:?}?")).await {
            Ok(Confirm { sure: true }) => {}
            Ok(_) | Err(AskError::Declined | AskError::Cancelled) => return Ok("Kept.".to_owned()),
            Err(error) => return Err(error.into()),
        }
        self.issues().remove(&number).ok_or(Error::NotFound(number))?;
        Ok(format!("Deleted issue {number}."))
    }
}

#[derive(Deserialize, JsonSchema)]
struct Confirm {
    /// Delete it?
    sure: bool,
}

#[prompts]
impl Tracker {
    /// Decides what to do with an issue.
    fn triage(&self, number: u32) -> Result<String, Error> {
        Ok(format!("Which label, status and assignee should this issue have?\n\n{}", self.read(number)?))
    }
}

#[resources]
impl Tracker {
    /// An issue as Markdown.
    #[resource(uri = "issue://{number}", name = "issue", mime_type = "text/markdown")]
    fn read(&self, number: u32) -> Result<String, Error> {
        let Issue { title, text, comments, .. } = self.find(number)?;
        Ok(format!("# {title}\n\n{text}\n\n{}", comments.join("\n\n")))
    }
}
