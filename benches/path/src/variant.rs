//! The variants of a workload, which are compared with one another.

use tracing::subscriber::{SetGlobalDefaultError, set_global_default};

use crate::observed::Discard;

/// What is different about the server of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Nothing.
    Plain,
    /// A subscriber enables every span and every event, and discards them.
    Discarded,
    /// An observer counts requests.
    Counted,
    /// Nothing, in the build with tasks.
    WithoutTasks,
    /// The manager has tasks.
    WithTasks,
}

impl Variant {
    /// Every variant; `Plain` first.
    pub const ALL: [Self; 5] =
        [Self::Plain, Self::Discarded, Self::Counted, Self::WithoutTasks, Self::WithTasks];

    /// What the name of a workload begins with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Discarded => "discarded/",
            Self::Counted => "counted/",
            Self::WithoutTasks => "without_tasks/",
            Self::WithTasks => "with_tasks/",
        }
    }

    /// Prepares this process.
    ///
    /// # Errors
    /// When it has a subscriber already.
    pub fn begin(self) -> Result<(), SetGlobalDefaultError> {
        if self == Self::Discarded { set_global_default(Discard) } else { Ok(()) }
    }
}
