//! Unanswered questions of an upstream.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_stateless::protocol::{ErrorCode, RpcError};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::failure::shown;
use super::message;
use super::outgoing::Outgoing;

/// How many questions of one call, and of one session, may wait for their answers.
const MOST_OF_CALL: usize = 16;
const MOST_OF_SESSION: usize = 256;
/// The maximum number of bytes of all waiting questions of a session.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A question of the upstream. It is answered exactly once: if dropped, with an error that its call
/// is over.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
    id: Box<RawValue>,
    key: String,
    questions: Arc<Questions>,
    withdrawn: oneshot::Receiver<()>,
}

impl Ask {
    /// Answers, unless the upstream has withdrawn the question.
    pub(super) fn answer(self, answer: &Result<Box<RawValue>, RpcError>) {
        self.settle(answer);
    }

    fn settle(&self, answer: &Result<Box<RawValue>, RpcError>) {
        if self.questions.lock().remove(&self.key).is_some() {
            self.questions.outgoing.post(message::response(&self.id, answer));
        }
    }

    /// Waits until the upstream withdraws the question.
    pub(super) async fn withdrawn(&mut self) {
        let _ = (&mut self.withdrawn).await;
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        self.settle(&Err(RpcError::new(ErrorCode::INTERNAL_ERROR, "The call that was asked is over")));
    }
}

/// The open questions of one session.
#[derive(Debug)]
pub(super) struct Questions {
    open: Mutex<HashMap<String, Open>>,
    outgoing: Outgoing,
}

#[derive(Debug)]
struct Open {
    /// The call that was asked.
    call: i64,
    size: usize,
    /// Dropped when the question is answered or withdrawn.
    _alive: oneshot::Sender<()>,
}

impl Questions {
    pub(super) fn new(outgoing: Outgoing) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), outgoing })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        // No code panics while it holds the lock, so the map is consistent even if it is poisoned.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a question for the call `call`; `None` if it was refused immediately.
    pub(super) fn ask(
        self: &Arc<Self>,
        call: i64,
        id: &RawValue,
        method: &str,
        params: Option<&RawValue>,
    ) -> Option<Ask> {
        let key = message::id_key(id);
        let size = id.get().len() + params.map_or(0, |params| params.get().len());
        let params = params.map_or(Ok(Map::new()), |params| serde_json::from_str(params.get()));
        let (alive, withdrawn) = oneshot::channel();
        let refusal = {
            let mut open = self.lock();
            let of_call = open.values().filter(|question| question.call == call).count();
            let bytes = open.values().map(|question| question.size).sum::<usize>();
            let is_full =
                of_call >= MOST_OF_CALL || open.len() >= MOST_OF_SESSION || bytes + size > MOST_BYTES;
            match params {
                Err(_) => RpcError::invalid_params("The parameters must be an object"),
                Ok(_) if is_full => {
                    RpcError::new(ErrorCode::INTERNAL_ERROR, "Too many questions wait for their answers")
                }
                Ok(_) if open.contains_key(&key) => {
                    RpcError::new(ErrorCode::INVALID_REQUEST, "A question of this id waits for its answer")
                }
                Ok(params) => {
                    open.insert(key.clone(), Open { call, size, _alive: alive });
                    let (method, id) = (method.to_owned(), id.to_owned());
                    return Some(Ask { method, params, id, key, questions: Arc::clone(self), withdrawn });
                }
            }
        };
        self.refuse(id, refusal);
        None
    }

    /// Answers a question with an error at once.
    pub(super) fn refuse(&self, id: &RawValue, error: RpcError) {
        tracing::debug!(error = shown(&error.to_string()), "a question of an upstream is refused");
        self.outgoing.post(message::response(id, &Err(error)));
    }

    /// Answers a request that needs no call.
    pub(super) fn answer(&self, id: &RawValue, result: &'static str) {
        let result = RawValue::from_string(result.to_owned()).map_err(|_| RpcError::internal());
        self.outgoing.post(message::response(id, &result));
    }

    /// Records that the upstream withdraws the question.
    pub(super) fn withdraw(&self, key: &str) {
        self.lock().remove(key);
    }
}
