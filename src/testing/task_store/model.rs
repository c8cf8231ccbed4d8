//! A model of a store: what one task looks like after each call, without time.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::task::{TaskAnswer, TaskState, TaskStep};

/// A task in the model. Leases either run or are over; nothing happens by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) state: TaskState,
    pub(super) version: u64,
    pub(super) token: u64,
    pub(super) is_leased: bool,
    pub(super) open: Vec<u32>,
    pub(super) data: Bytes,
    pub(super) answers: BTreeMap<u32, Bytes>,
}

/// The outcome of a call, by the name of its error.
pub(super) type Outcome = Result<(), &'static str>;

impl Model {
    pub(super) fn new(data: Bytes) -> Self {
        Self {
            state: TaskState::Running,
            version: 1,
            token: 1,
            is_leased: true,
            open: Vec::new(),
            data,
            answers: BTreeMap::new(),
        }
    }

    pub(super) fn advance(&mut self, step: &TaskStep) -> Outcome {
        self.check_holder(step.token)?;
        if step.version != self.version {
            return Err("Conflict");
        }
        self.version += 1;
        self.state = step.state;
        self.data = step.data.clone();
        self.open = step.open.iter().copied().filter(|it| !self.answers.contains_key(it)).collect();
        if self.state != TaskState::Running {
            self.open.clear();
            self.answers.clear();
            self.is_leased = false;
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, answers: &[TaskAnswer]) {
        let mut is_changed = false;
        for TaskAnswer { question, answer } in answers {
            if let Some(at) = self.open.iter().position(|open| open == question) {
                self.open.remove(at);
                self.answers.insert(*question, answer.clone());
                is_changed = true;
            }
        }
        self.version += u64::from(is_changed);
    }

    pub(super) fn take(&mut self) -> Outcome {
        self.check_holder(None)?;
        if self.is_leased {
            return Err("Leased");
        }
        self.token += 1;
        self.is_leased = true;
        Ok(())
    }

    /// Renews the lease, or ends it.
    pub(super) fn renew(&mut self, token: u64, is_leased: bool) -> Outcome {
        self.check_holder(Some(token))?;
        self.is_leased = is_leased;
        Ok(())
    }

    fn check_holder(&self, token: Option<u64>) -> Outcome {
        if self.state != TaskState::Running {
            return Err("Conflict");
        }
        if token.is_some_and(|token| token != self.token) { Err("Leased") } else { Ok(()) }
    }
}
