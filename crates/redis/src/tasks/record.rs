//! The replies of the scripts.

use std::fmt::Write as _;

use bytes::Bytes;
use mcp_stateless::task::{TaskAnswer, TaskRecord, TaskState, TaskStoreError};
use redis::{FromRedisValue, Value};

use crate::error::ErrorKind;

/// A reply of a script: an outcome, and values.
pub(super) struct Reply {
    outcome: String,
    values: std::vec::IntoIter<Option<Vec<u8>>>,
}

impl Reply {
    pub(super) fn read(value: Value) -> Result<Self, TaskStoreError> {
        let values = Vec::<Option<Vec<u8>>>::from_redis_value(value).map_err(|_| nonsense())?;
        let mut values = values.into_iter();
        let outcome = values.next().flatten().and_then(|outcome| String::from_utf8(outcome).ok());
        Ok(Self { outcome: outcome.ok_or_else(nonsense)?, values })
    }

    /// Returns an error unless the script has succeeded. The values of a conflict are the current record of
    /// the task with this id.
    pub(super) fn success(mut self, id: &str) -> Result<Self, TaskStoreError> {
        match &*self.outcome {
            "ok" => Ok(self),
            "not found" => Err(TaskStoreError::NotFound),
            "conflict" => Err(TaskStoreError::Conflict(Box::new(self.record(id)?))),
            "leased" => Err(TaskStoreError::Leased),
            "full" => Err(TaskStoreError::Full),
            _ => Err(nonsense()),
        }
    }

    /// Reads the record of the task with this id.
    pub(super) fn record(&mut self, id: &str) -> Result<TaskRecord, TaskStoreError> {
        record(id, &mut self.values).ok_or_else(nonsense)
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, TaskStoreError> {
        self.values.next().flatten().map(Bytes::from).ok_or_else(nonsense)
    }

    /// Reads questions and answers, which alternate.
    pub(super) fn answers(mut self) -> Result<Vec<TaskAnswer>, TaskStoreError> {
        let mut answers = Vec::with_capacity(self.values.len() / 2);
        while let Some(question) = self.values.next() {
            let question = question.as_deref().and_then(number).ok_or_else(nonsense)?;
            answers.push(TaskAnswer { question, answer: self.bytes()? });
        }
        Ok(answers)
    }
}

/// The fields of a record, in the order in which the scripts return them.
pub(super) const FIELDS: [&str; 10] =
    ["owner", "state", "version", "token", "leased", "created", "updated", "expires", "open", "data"];

/// Reads the values of [`FIELDS`]. Returns `None` if they are not those of a task.
pub(super) fn record(id: &str, values: &mut impl Iterator<Item = Option<Vec<u8>>>) -> Option<TaskRecord> {
    let mut next = || values.next().flatten();
    Some(TaskRecord {
        id: id.to_owned(),
        owner: match String::from_utf8(next()?).ok()?.as_str() {
            "" => None,
            digits => Some(read_hexadecimal(digits)?),
        },
        state: TaskState::from_name(std::str::from_utf8(&next()?).ok()?)?,
        version: number(&next()?)?,
        token: number(&next()?)?,
        leased_until: number(&next()?)?,
        created_at: number(&next()?)?,
        updated_at: number(&next()?)?,
        expires_at: number(&next()?)?,
        open: read_questions(&next()?)?,
        data: next()?.into(),
    })
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn read_questions(text: &[u8]) -> Option<Vec<u32>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(|byte| *byte == b',').map(number).collect()
}

/// Writes the numbers of questions.
pub(super) fn questions(open: &[u32]) -> String {
    open.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn hexadecimal(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut digits, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn read_hexadecimal(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

pub(super) fn nonsense() -> TaskStoreError {
    TaskStoreError::unavailable(crate::error::Error::from(ErrorKind::Nonsense))
}

#[cfg(test)]
mod tests {
    use super::{hexadecimal, questions, read_hexadecimal, read_questions};

    #[test]
    fn owners_and_questions_are_read_as_they_were_written() {
        let owner = std::array::from_fn(|at| u8::try_from(at).expect("small") * 8);
        assert_eq!(read_hexadecimal(&hexadecimal(&owner)), Some(owner));
        assert_eq!(read_hexadecimal("é"), None);
        for open in [&[][..], &[0], &[1, 22, u32::MAX]] {
            assert_eq!(read_questions(questions(open).as_bytes()).as_deref(), Some(open));
        }
        assert_eq!(read_questions(b"1,,2"), None);
    }
}
