//! The names and the sealed parts of a task.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::ask::random_id;
use crate::principal::Principal;
use crate::settings::Settings;

/// The version of the sealed formats, which precedes the sealed bytes. Other versions do not open, so
/// that replicas of two versions can run side by side without misreading each other.
const VERSION: u8 = 1;

/// The names of a task, and of its owner.
#[derive(Clone)]
pub(super) struct TaskNames {
    /// The id that the client uses: 128 random bits in hexadecimal digits.
    pub(super) id: String,
    /// The id in the store, a digest of the other. Who reads the store does not learn the other, which
    /// is all that a caller without a principal needs.
    pub(super) key: String,
    /// A digest of the owner; `None` if it is not known.
    pub(super) owner: Option<[u8; 32]>,
}

/// A sealed part of a task.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Call,
    Data,
    /// The answer to the question with this number.
    Answer(u32),
}

impl TaskNames {
    /// Names a new task of `owner`; `None` when the system has no randomness.
    pub(super) fn new(owner: Option<&Principal>, settings: &Settings) -> Option<Self> {
        Some(Self::of(random_id()?, owner, settings))
    }

    /// Returns the names of the task that a caller asks about.
    pub(super) fn of(id: String, caller: Option<&Principal>, settings: &Settings) -> Self {
        let server = settings.ask.server();
        let owner = caller.map(|caller| digest(["task owner", server, caller.as_str()]));
        let digits = |byte: u8| {
            [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        };
        let key = digest(["task id", server, &id]).into_iter().flat_map(digits).collect();
        Self { id, key, owner }
    }
}

/// Returns the topic on which news of a task are published.
pub(super) fn topic(key: &str) -> String {
    format!("mcp-stateless.task.{key}")
}

/// Seals a part of the task with this key and owner; `None` on failure, which is logged.
pub(super) fn seal(
    part: Part,
    key: &str,
    owner: Option<[u8; 32]>,
    plain: &impl Serialize,
    settings: &Settings,
) -> Option<Bytes> {
    // All parts are made of strings, numbers and raw JSON, which always serialise.
    let plain = serde_json::to_vec(plain).ok()?;
    let Some(sealed) = settings.ask.seal(&plain, &bound_to(part, key, owner, settings)) else {
        tracing::error!("a task could not be sealed");
        return None;
    };
    Some([&[VERSION], sealed.as_slice()].concat().into())
}

/// Opens a part; `None` if it is not that part of that task, sealed by this server.
pub(super) fn open<T: DeserializeOwned>(
    part: Part,
    key: &str,
    owner: Option<[u8; 32]>,
    sealed: &[u8],
    settings: &Settings,
) -> Option<T> {
    let sealed = sealed.strip_prefix(&[VERSION])?;
    let plain = settings.ask.open(sealed, &bound_to(part, key, owner, settings))?;
    serde_json::from_slice(&plain).ok()
}

/// A part opens only as the same part of the same task with the same owner, on the same server.
fn bound_to(part: Part, key: &str, owner: Option<[u8; 32]>, settings: &Settings) -> Vec<u8> {
    let (kind, number) = match part {
        Part::Call => (0, 0),
        Part::Data => (1, 0),
        Part::Answer(number) => (2, number),
    };
    let server = settings.ask.server();
    let mut bytes = Vec::with_capacity(64 + server.len() + key.len());
    // Not the start of anything that a client carries: that begins with its own version.
    bytes.extend_from_slice(b"task");
    bytes.extend_from_slice(&[VERSION, kind, u8::from(owner.is_some())]);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&owner.unwrap_or_default());
    for text in [server, key] {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// Hashes texts, each after its length, so that adjacent ones cannot be confused.
fn digest<const N: usize>(texts: [&str; N]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}
