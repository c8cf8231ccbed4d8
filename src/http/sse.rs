//! Writes server-sent events.

const DATA: &[u8] = b"data: ";
const END: &[u8] = b"\n\n";
/// A comment that keeps an idle stream alive.
pub(crate) const KEEP_ALIVE: &[u8] = b":\n\n";

/// Writes one event. `write` appends its data to the buffer; if it appends nothing, no event is
/// written.
pub(crate) fn event(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    buffer.extend_from_slice(DATA);
    let start = buffer.len();
    write(buffer);
    if buffer.len() == start {
        buffer.truncate(start - DATA.len());
        return;
    }
    keep_on_one_line(&mut buffer[start..]);
    buffer.extend_from_slice(END);
}

/// Frames a complete message as one event.
pub(crate) fn frame_result(message: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(DATA.len() + message.len() + END.len());
    event(&mut buffer, |buffer| buffer.extend_from_slice(message));
    buffer
}

/// Replaces line breaks with spaces, because they would split the data of an event. In valid JSON
/// they occur only between tokens, and only in raw JSON that the host provides.
fn keep_on_one_line(json: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', &json[at..]) {
        json[at + found] = b' ';
        at += found + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::frame_result;

    #[test]
    fn an_event_is_one_data_line_whatever_the_json_looks_like() {
        let framed = frame_result(b"{\r\n  \"a\": \"x\\ny\"\n}");
        assert_eq!(framed, b"data: {    \"a\": \"x\\ny\" }\n\n");
    }
}
