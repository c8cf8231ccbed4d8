//! The methods that a client may call.

/// A method of either era. The dispatcher decides which of them a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Initialize,
    Ping,
    LoggingSetLevel,
    ServerDiscover,
    ToolsList,
    ToolsCall,
    PromptsList,
    PromptsGet,
    ResourcesList,
    ResourcesTemplatesList,
    ResourcesRead,
    ResourcesSubscribe,
    ResourcesUnsubscribe,
    CompletionComplete,
    SubscriptionsListen,
    /// A method of the extension `io.modelcontextprotocol/tasks`.
    #[cfg(feature = "tasks")]
    Tasks(TaskMethod),
    Unknown,
}

/// A method that is about one task.
#[cfg(feature = "tasks")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskMethod {
    Get,
    Update,
    Cancel,
}

/// The parameter that the `Mcp-Name` header repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    Name,
    Uri,
    #[cfg(feature = "tasks")]
    TaskId,
}

impl NamedBy {
    /// Returns the name of the parameter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Uri => "uri",
            #[cfg(feature = "tasks")]
            Self::TaskId => "taskId",
        }
    }
}

impl Method {
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "initialize" => Self::Initialize,
            "ping" => Self::Ping,
            "logging/setLevel" => Self::LoggingSetLevel,
            "server/discover" => Self::ServerDiscover,
            "tools/list" => Self::ToolsList,
            "tools/call" => Self::ToolsCall,
            "prompts/list" => Self::PromptsList,
            "prompts/get" => Self::PromptsGet,
            "resources/list" => Self::ResourcesList,
            "resources/templates/list" => Self::ResourcesTemplatesList,
            "resources/read" => Self::ResourcesRead,
            "resources/subscribe" => Self::ResourcesSubscribe,
            "resources/unsubscribe" => Self::ResourcesUnsubscribe,
            "completion/complete" => Self::CompletionComplete,
            "subscriptions/listen" => Self::SubscriptionsListen,
            #[cfg(feature = "tasks")]
            "tasks/get" => Self::Tasks(TaskMethod::Get),
            #[cfg(feature = "tasks")]
            "tasks/update" => Self::Tasks(TaskMethod::Update),
            #[cfg(feature = "tasks")]
            "tasks/cancel" => Self::Tasks(TaskMethod::Cancel),
            _ => Self::Unknown,
        }
    }

    /// Returns the name; `_OTHER` for a method that the server does not know.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Ping => "ping",
            Self::LoggingSetLevel => "logging/setLevel",
            Self::ServerDiscover => "server/discover",
            Self::ToolsList => "tools/list",
            Self::ToolsCall => "tools/call",
            Self::PromptsList => "prompts/list",
            Self::PromptsGet => "prompts/get",
            Self::ResourcesList => "resources/list",
            Self::ResourcesTemplatesList => "resources/templates/list",
            Self::ResourcesRead => "resources/read",
            Self::ResourcesSubscribe => "resources/subscribe",
            Self::ResourcesUnsubscribe => "resources/unsubscribe",
            Self::CompletionComplete => "completion/complete",
            Self::SubscriptionsListen => "subscriptions/listen",
            #[cfg(feature = "tasks")]
            Self::Tasks(TaskMethod::Get) => "tasks/get",
            #[cfg(feature = "tasks")]
            Self::Tasks(TaskMethod::Update) => "tasks/update",
            #[cfg(feature = "tasks")]
            Self::Tasks(TaskMethod::Cancel) => "tasks/cancel",
            Self::Unknown => "_OTHER",
        }
    }

    /// Returns the parameter that `Mcp-Name` repeats, for methods that require the header
    /// (2026-07-28, Transports, "Standard Request Headers").
    pub(crate) fn named_by(self) -> Option<NamedBy> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some(NamedBy::Name),
            Self::ResourcesRead => Some(NamedBy::Uri),
            #[cfg(feature = "tasks")]
            Self::Tasks(_) => Some(NamedBy::TaskId),
            _ => None,
        }
    }
}
