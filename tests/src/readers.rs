//! Many who read events, by server-sent events or page by page, hang up at random, are cut off, and go
//! on where they were at whoever serves the API.
//!
//! A reader remembers what it was told in the order in which it was told, and nothing else but where to
//! go on. So what it has at the end says whether anything was lost, came twice, or came too early.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use godwit_store::PositionedEvent;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::native::Native;

const EVENTS: &str = "/relocation/v1/events";

/// A stream is hung up on after so many events at most.
const PATIENCE: usize = 200;
/// A page has so many events at most.
const PAGE: i64 = 200;
/// Who has read all pages asks again once there are so many more events, at most. Asking all
/// the time would try nothing else, and leave the machine to nobody.
const MORE: i64 = 120;
/// One in so many answers is hung up on before its end.
const BROKEN_OFF: u32 = 4;
/// How long a page may take: longer than a busy machine needs.
const ANSWER: Duration = Duration::from_secs(60);

/// What a reader was told of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Its position.
    pub position: i64,
    /// Its id, such as `MIGRATION/SEQUENCE`.
    pub id: String,
    /// Its type, such as `migration.placed`.
    pub kind: String,
}

/// What of a CloudEvent is looked at.
#[derive(Deserialize)]
struct Document {
    position: String,
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

/// What of a page is looked at.
#[derive(Deserialize)]
struct Page {
    items: Vec<Document>,
    next: Option<String>,
    last_position: String,
}

impl TryFrom<Document> for Told {
    type Error = anyhow::Error;

    fn try_from(document: Document) -> Result<Self> {
        Ok(Self {
            position: document.position.parse()?,
            id: document.id,
            kind: document.kind,
        })
    }
}

impl Told {
    /// Reads a CloudEvent.
    ///
    /// # Errors
    /// It is none.
    pub fn read(text: &str) -> Result<Self> {
        serde_json::from_str::<Document>(text)?.try_into()
    }
}

impl From<&PositionedEvent> for Told {
    /// What a reader is to be told of a row.
    fn from(row: &PositionedEvent) -> Self {
        Self {
            position: row.position,
            id: row.event.id(),
            kind: row.event.event_type(),
        }
    }
}

/// Why a reader goes on somewhere else, or not at all.
enum End {
    /// It was cut off, or refused for the moment, or hung up itself.
    Cut,
    /// What it was told is not what it may be told.
    Wrong(anyhow::Error),
}

impl From<reqwest::Error> for End {
    fn from(_: reqwest::Error) -> Self {
        Self::Cut
    }
}

impl From<anyhow::Error> for End {
    fn from(error: anyhow::Error) -> Self {
        Self::Wrong(error)
    }
}

/// What readers know of each other.
struct Common {
    native: Native,
    /// The last position that anybody was told of.
    newest: watch::Sender<i64>,
    /// The last position of all, once that is known.
    end: watch::Sender<Option<i64>>,
}

/// Readers at work.
pub struct Readers {
    common: Arc<Common>,
    reading: JoinSet<Result<Vec<Told>>>,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

impl Readers {
    /// Starts so many from the beginning of all events: every other one reads pages. What they do
    /// at random follows from `seed`, as far as it is theirs to decide.
    pub fn start(native: &Native, count: u64, seed: u64) -> Self {
        let common = Arc::new(Common {
            native: native.clone(),
            newest: watch::Sender::new(0),
            end: watch::Sender::new(None),
        });
        let mut reading = JoinSet::new();
        for number in 0..count {
            let reader = Reader {
                common: Arc::clone(&common),
                random: StdRng::seed_from_u64(seed.wrapping_add(number)),
                told: Vec::new(),
                position: 0,
            };
            reading.spawn(reader.read(number % 2 == 0));
        }
        Self { common, reading }
    }

    /// Waits until some reader was told of this position.
    ///
    /// # Errors
    /// None was in time.
    pub async fn reach(&self, position: i64, deadline: Duration) -> Result<()> {
        let mut newest = self.common.newest.subscribe();
        let told = newest.wait_for(|newest| *newest >= position);
        // What is borrowed is given back before somebody borrows it again.
        let told = tokio::time::timeout(deadline, told).await;
        let told = told.map(|told| told.map(drop));
        let seen = *self.common.newest.borrow();
        told.with_context(|| format!("nobody was told of {position}, the newest is {seen}"))??;
        Ok(())
    }

    /// What each was told, once it has got to `end`, the last position of all.
    ///
    /// # Errors
    /// One was told what it may not be told, or one does not get there.
    pub async fn finish(mut self, end: i64, deadline: Duration) -> Result<Vec<Vec<Told>>> {
        self.common.end.send_replace(Some(end));
        let mut all = Vec::new();
        let deadline = tokio::time::Instant::now() + deadline;
        while !self.reading.is_empty() {
            let next = tokio::time::timeout_at(deadline, self.reading.join_next()).await;
            let left = self.reading.len();
            let next = next.with_context(|| format!("{left} readers do not get to {end}"))?;
            if let Some(told) = next {
                all.push(told??);
            }
        }
        Ok(all)
    }
}

/// One of them.
struct Reader {
    common: Arc<Common>,
    random: StdRng,
    told: Vec<Told>,
    /// Behind which it goes on.
    position: i64,
}

impl Reader {
    async fn read(mut self, streams: bool) -> Result<Vec<Told>> {
        while !self.is_over() {
            let ended = match streams {
                true => self.stream().await,
                false => self.page().await,
            };
            match ended {
                // Whoever serves the API may be gone: it is asked for the other one, or for this
                // one again, until somebody answers.
                Ok(()) | Err(End::Cut) => tokio::task::yield_now().await,
                Err(End::Wrong(error)) => {
                    let position = self.position;
                    return Err(error.context(format!("a reader behind {position}")));
                }
            }
        }
        Ok(self.told)
    }

    fn is_over(&self) -> bool {
        let end = *self.common.end.borrow();
        end.is_some_and(|end| self.position >= end)
    }

    /// A request to any of those who serve the API.
    fn request(&mut self, query: &str) -> RequestBuilder {
        let native = &self.common.native;
        let index = self.random.random_range(0..native.count());
        native.request(index, Method::GET, &format!("{EVENTS}?{query}"))
    }

    /// It was told of an event.
    fn hear(&mut self, told: Told) {
        let position = told.position;
        self.position = position;
        self.told.push(told);
        self.common.newest.send_if_modified(|newest| {
            let is_newer = *newest < position;
            *newest = position.max(*newest);
            is_newer
        });
    }

    /// Listens to a stream for a while.
    async fn stream(&mut self) -> Result<(), End> {
        let mut patience = self.random.random_range(1..=PATIENCE);
        let request = self
            .request("after=0")
            .header("Accept", "text/event-stream");
        // The first time the address says where to begin.
        let request = match self.position {
            0 => request,
            position => request.header("Last-Event-ID", position),
        };
        let mut response = answered(request.send().await?)?;
        let mut end = self.common.end.subscribe();
        let mut rest = Vec::new();
        loop {
            let piece = tokio::select! {
                piece = response.chunk() => piece?,
                _ = end.changed() => match self.is_over() {
                    true => return Ok(()),
                    false => continue,
                },
            };
            let Some(piece) = piece else {
                return Ok(());
            };
            rest.extend_from_slice(&piece);
            while let Some(block) = block(&mut rest) {
                if let Some(told) = event(&block)? {
                    self.hear(told);
                    patience -= 1;
                }
                // What is behind it was not heard.
                if patience == 0 || self.is_over() {
                    return Ok(());
                }
            }
        }
    }

    /// Reads a page, once there is something in it.
    async fn page(&mut self) -> Result<(), End> {
        let limit = self.random.random_range(1..=PAGE);
        let (after, breaks_off) = (self.position, self.random.random_ratio(1, BROKEN_OFF));
        let request = self.request(&format!("after={after}&limit={limit}"));
        let mut response = answered(request.timeout(ANSWER).send().await?)?;
        if breaks_off {
            // Nothing of it counts: it goes on where it was.
            response.chunk().await?;
            return Err(End::Cut);
        }
        let text = response.text().await?;
        let page: Page = serde_json::from_str(&text).context("a page")?;
        for document in page.items {
            self.hear(document.try_into()?);
        }
        let last: i64 = page.last_position.parse().context("a position")?;
        if last < self.position {
            let position = self.position;
            return Err(anyhow!("the page leads back from {position} to {last}").into());
        }
        self.position = last;
        if page.next.is_none() {
            self.wait_for_more().await;
        }
        Ok(())
    }

    /// Until there is something behind its position, or all of it.
    async fn wait_for_more(&mut self) {
        let wanted = self.position + self.random.random_range(1..=MORE);
        let (mut newest, mut end) = (self.common.newest.subscribe(), self.common.end.subscribe());
        tokio::select! {
            _ = newest.wait_for(|newest| *newest >= wanted) => {}
            _ = end.wait_for(Option::is_some) => {}
        }
    }
}

/// An answer with events. Who is busy, or about to stop, may say so, and is left; so is who had no
/// time to read the request while a thousand came at once.
fn answered(response: Response) -> Result<Response, End> {
    let status = response.status();
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Err(End::Cut);
    }
    match status.is_success() {
        true => Ok(response),
        false => Err(End::Wrong(anyhow!("it was answered with {status}"))),
    }
}

/// Takes the first block of a stream that is complete.
fn block(rest: &mut Vec<u8>) -> Option<Vec<u8>> {
    const END: &[u8] = b"\n\n";
    let at = rest.windows(END.len()).position(|it| it == END)?;
    let mut block: Vec<u8> = rest.drain(..at + END.len()).collect();
    block.truncate(at);
    Some(block)
}

/// The event of a block; `None` for a comment.
fn event(block: &[u8]) -> Result<Option<Told>> {
    let block = std::str::from_utf8(block)?;
    if block.starts_with(':') {
        return Ok(None);
    }
    let field = |name: &str| {
        let mut fields = block.lines().filter_map(|line| line.split_once(": "));
        let found = fields.find(|(field, _)| *field == name);
        found.map(|(_, value)| value)
    };
    ensure!(field("event").is_none(), "it was told {block:?}");
    let told = Told::read(field("data").context("no data")?)?;
    let id: i64 = field("id").context("no id")?.parse()?;
    ensure!(id == told.position, "{id} is the id of {told:?}");
    Ok(Some(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_once_they_are_complete() {
        let document = r#"{"id": "a/1", "type": "migration.placed", "position": "7", "data": {}}"#;
        let mut rest = format!(": keep-alive\n\nid: 7\ndata: {document}\n\nid: 8").into_bytes();
        let comment = block(&mut rest).unwrap();
        assert_eq!(event(&comment).unwrap(), None);
        let told = event(&block(&mut rest).unwrap()).unwrap().unwrap();
        let expected = ("a/1", "migration.placed", 7);
        assert_eq!(
            (told.id.as_str(), told.kind.as_str(), told.position),
            expected
        );
        assert_eq!((block(&mut rest), rest.as_slice()), (None, &b"id: 8"[..]));
        let reset = b"event: reset\ndata: {}";
        assert!(event(reset).is_err());
    }
}
