//! The stream of events (`text/event-stream`), gone on with where it was cut off.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::api::Api;
use super::failure::Failure;

/// Between two attempts to listen again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// The longest event that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Events that wait to be looked at.
const QUEUE: usize = 100;

/// What is heard.
#[derive(Debug)]
pub(super) enum Heard {
    Event(Value),
    /// Events were missed that are kept no longer.
    Missed,
    /// The stream was cut off, and is listened to again in a while.
    Lost(String),
    /// It is listened to, from now on or again.
    Listening,
    /// There is nothing to be heard, and will not be.
    Deaf(Failure),
}

/// Somebody who listens, until dropped.
pub(super) struct Listener {
    heard: mpsc::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Listens to what `query` asks for, from behind the position `after`, or from now on.
    pub(super) fn start(
        api: Arc<Api>,
        query: Vec<(String, String)>,
        after: Option<String>,
    ) -> Self {
        let (told, heard) = mpsc::channel(QUEUE);
        let task = tokio::spawn(listen(api, query, after, told));
        Self { heard, task }
    }

    /// Cancelling it loses nothing. `None`: nothing will be heard any more.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// What was heard and not looked at.
    pub(super) fn heard_already(&mut self) -> Option<Heard> {
        self.heard.try_recv().ok()
    }
}

async fn listen(
    api: Arc<Api>,
    query: Vec<(String, String)>,
    after: Option<String>,
    told: mpsc::Sender<Heard>,
) {
    let query: Vec<(&str, &str)> = query.iter().map(|(key, it)| (&**key, &**it)).collect();
    let (mut seen, mut pause, mut is_lost) = (after, PAUSES.0, false);
    loop {
        let lost = match api.stream(&query, seen.as_deref()).await {
            Ok(response) => {
                is_lost = false;
                if told.send(Heard::Listening).await.is_err() {
                    return;
                }
                let before = seen.clone();
                let ended = follow(response, &mut seen, &told).await;
                if seen != before {
                    pause = PAUSES.0;
                }
                match ended {
                    Ok(why) => why,
                    Err(()) => return,
                }
            }
            Err(failure @ Failure::Unreachable { .. }) => failure.to_string(),
            Err(failure) if is_passing(&failure) => failure.to_string(),
            Err(failure) => {
                let _ = told.send(Heard::Deaf(failure)).await;
                return;
            }
        };
        if !std::mem::replace(&mut is_lost, true) && told.send(Heard::Lost(lost)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn is_passing(failure: &Failure) -> bool {
    matches!(failure, Failure::Problem(problem) if problem.status >= 500)
}

/// Tells what a stream says to its end; the answer is how it ended, or that nobody listens.
async fn follow(
    mut response: Response,
    seen: &mut Option<String>,
    told: &mpsc::Sender<Heard>,
) -> Result<String, ()> {
    let mut reader = Reader::default();
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok("the stream has ended".to_owned()),
            Err(error) => return Ok(error.without_url().to_string()),
        };
        reader.take(&piece);
        while let Some(message) = reader.next() {
            let heard = match message.event.as_str() {
                "reset" => Heard::Missed,
                _ => match serde_json::from_str(&message.data) {
                    Ok(event) => Heard::Event(event),
                    Err(_) => continue,
                },
            };
            if matches!(heard, Heard::Missed) {
                *seen = None;
            }
            told.send(heard).await.map_err(|_| ())?;
            if message.id.is_some() {
                *seen = message.id;
            }
        }
        if reader.unfinished.len() > LONGEST {
            return Ok("an event is too long".to_owned());
        }
    }
}

#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Message {
    event: String,
    id: Option<String>,
    data: String,
}

/// Makes messages of the pieces in which a stream arrives.
#[derive(Default)]
struct Reader {
    unfinished: Vec<u8>,
    message: Message,
    whole: VecDeque<Message>,
}

impl Reader {
    fn take(&mut self, piece: &[u8]) {
        for byte in piece {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.unfinished);
                    let line = String::from_utf8_lossy(&line);
                    self.line(line.trim_end_matches('\r'));
                }
                byte => self.unfinished.push(*byte),
            }
        }
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            if !message.data.is_empty() {
                self.whole.push_back(message);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let message = &mut self.message;
        match field {
            "event" => value.clone_into(&mut message.event),
            "id" => message.id = Some(value.to_owned()),
            "data" => {
                if !message.data.is_empty() {
                    message.data.push('\n');
                }
                message.data.push_str(value);
            }
            // A comment, or what later versions say.
            _ => {}
        }
    }

    fn next(&mut self) -> Option<Message> {
        self.whole.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = ": keep-alive\n\nid: 7\ndata: {\"a\":1}\n\nevent: reset\r\ndata: {}\r\n\r\nid: 9\ndata: x\ndata: y\n\ndata: unfi";

    fn all(pieces: &[&[u8]]) -> Vec<Message> {
        let mut reader = Reader::default();
        for piece in pieces {
            reader.take(piece);
        }
        std::iter::from_fn(|| reader.next()).collect()
    }

    #[test]
    fn comments_are_no_events_and_what_is_unfinished_waits() {
        let found = all(&[TEXT.as_bytes()]);
        let [first, reset, last] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(
            (first.id.as_deref(), &*first.data),
            (Some("7"), "{\"a\":1}")
        );
        assert_eq!((&*reset.event, &reset.id), ("reset", &None));
        assert_eq!(last.data, "x\ny");
    }

    proptest! {
        #[test]
        fn pieces_may_be_cut_anywhere(cut in 0..TEXT.len()) {
            let (head, tail) = TEXT.as_bytes().split_at(cut);
            prop_assert_eq!(all(&[head, tail]), all(&[TEXT.as_bytes()]));
        }
    }
}
