//! The format of server-sent events.

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
    /// The number of the event, if the stream counts them.
    pub(crate) id: Option<String>,
}

/// Reads events from the parts in which a stream arrives.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    /// The bytes of a line that has not ended yet. A part may end within a character.
    line: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl EventReader {
    /// Takes a part and returns the events that it completes.
    pub(super) fn push(&mut self, part: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in part {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let bytes = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&bytes);
            events.extend(self.take_line(line.strip_suffix('\r').unwrap_or(&line)));
        }
        events
    }

    /// Takes a line. An empty one ends an event.
    fn take_line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            // A comment keeps the connection open, and `retry` is for browsers.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, EventReader};

    const STREAM: &str =
        ": hello\n\nevent: traffic\nid: 7\ndata: {\"a\":\r\ndata: \"é\"}\r\n\r\nretry: 5\n\ndata:x\n\n";

    fn expected() -> [Event; 2] {
        let first = Event { name: "traffic".into(), data: "{\"a\":\n\"é\"}".into(), id: Some("7".into()) };
        [first, Event { data: "x".into(), ..Event::default() }]
    }

    #[test]
    fn parts_of_any_size_give_the_same_events() {
        for size in 1..STREAM.len() {
            let mut reader = EventReader::default();
            let events: Vec<Event> =
                STREAM.as_bytes().chunks(size).flat_map(|part| reader.push(part)).collect();
            assert_eq!(events, expected(), "{size}");
        }
    }

    #[test]
    fn event_without_its_end_is_not_returned() {
        assert_eq!(EventReader::default().push(b"data: x\n"), []);
    }
}
