//! `/events` as a stream: what happens, told to who listens, each event once whatever breaks.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use godwit_api::config::{ApiConfig, QuotaConfig};
use godwit_core::event::Event;
use godwit_core::ids::MigrationUuid;
use godwit_core::time::Clock;
use godwit_store::{Actor, CommitNote};
use godwit_test_support::wait_for;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::ROOT;
use super::events::story_in;
use crate::doubts::{Doubt, Doubts};
use crate::world::{Wanted, Who, World};

const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that is open.
pub(super) struct Listener {
    response: reqwest::Response,
    /// What is not looked at yet.
    rest: String,
    /// Everything.
    pub(super) heard: String,
}

/// One event of a stream.
#[derive(PartialEq, Debug)]
pub(super) struct Said {
    kind: Option<String>,
    id: Option<String>,
    data: Value,
}

impl Said {
    fn read(block: &str) -> Self {
        let field = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once(": "));
            let found = lines.find(|(field, _)| *field == name);
            found.map(|(_, value)| value.to_owned())
        };
        Self {
            kind: field("event"),
            id: field("id"),
            data: serde_json::from_str(&field("data").unwrap()).unwrap(),
        }
    }
}

impl World {
    fn stream(&self, who: Who, query: &str, last: Option<&str>) -> RequestBuilder {
        let url = format!("http://{}{ROOT}/events{query}", self.address);
        let ask = self.client().get(url);
        let ask = ask
            .header("X-Auth-Token", self.token(who))
            .header("Accept", "text/event-stream");
        match last {
            Some(last) => ask.header("Last-Event-ID", last),
            None => ask,
        }
    }

    pub(super) async fn listen(&self, who: Who, query: &str, last: Option<&str>) -> Listener {
        let response = self.stream(who, query, last).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(response.headers().contains_key("x-openstack-request-id"));
        Listener {
            response,
            rest: String::new(),
            heard: String::new(),
        }
    }

    /// Something happens to a migration that changes nothing.
    pub(super) async fn happens(&self, uuid: &str) {
        let uuid: MigrationUuid = uuid.parse().unwrap();
        let now = self.clock.now();
        let store = &self.store;
        let told = store.migration_event_append(uuid, "forced", Actor::Conductor, Value::Null, now);
        assert!(told.await.unwrap());
    }
}

impl Listener {
    /// The next event; `None` when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Said> {
        loop {
            while let Some((block, rest)) = self.rest.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.rest = rest;
                if !block.starts_with(':') {
                    return Some(Said::read(&block));
                }
            }
            let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let piece = piece.expect("the stream is silent").unwrap()?;
            let piece = std::str::from_utf8(&piece).unwrap();
            self.rest.push_str(piece);
            self.heard.push_str(piece);
        }
    }

    async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.next().await.unwrap().id.unwrap());
        }
        ids
    }
}

async fn story() -> (World, [String; 2]) {
    story_in(World::new().await).await
}

fn with_streams(streams: usize) -> ApiConfig {
    ApiConfig {
        quotas: QuotaConfig {
            streams,
            ..QuotaConfig::default()
        },
        ..ApiConfig::default()
    }
}

#[tokio::test]
async fn what_happens_from_now_on_is_told_as_the_list_has_it() {
    let (world, [first, _]) = story().await;
    let mut stream = world.listen(Who::Admin, "", None).await;
    let note = CommitNote::new(Actor::Conductor, world.clock.now());
    let ended =
        world
            .store
            .migration_apply(first.parse().unwrap(), Event::CancelledUnstarted, note);
    ended.await.unwrap();
    let said = stream.next().await.unwrap();
    let listed = world.native(Who::Admin, "/events?after=4").await.items();
    let expected = Said {
        kind: None,
        id: Some("5".to_owned()),
        data: listed[0].clone(),
    };
    assert_eq!(said, expected);
    world.happens(&first).await;
    assert_eq!(stream.ids(1).await, ["6"]);
}

#[tokio::test]
async fn a_stream_begins_at_once_even_if_nothing_happens() {
    let (world, _) = story().await;
    let mut stream = world.listen(Who::Reader, "", None).await;
    let piece = tokio::time::timeout(PATIENCE, stream.response.chunk()).await;
    assert_eq!(&*piece.unwrap().unwrap().unwrap(), b": keep-alive\n\n");
}

#[tokio::test]
async fn a_listener_goes_on_behind_what_it_has_seen() {
    let (world, [first, _]) = story().await;
    let mut stream = world.listen(Who::Admin, "?after=0", None).await;
    assert_eq!(stream.ids(2).await, ["1", "2"]);
    drop(stream);
    // What was seen counts more than the address, which stays the same.
    let mut stream = world.listen(Who::Admin, "?after=0", Some("2")).await;
    assert_eq!(stream.ids(2).await, ["3", "4"]);
    world.happens(&first).await;
    assert_eq!(stream.ids(1).await, ["5"]);
    let bad = world
        .stream(Who::Admin, "", Some("x"))
        .send()
        .await
        .unwrap();
    assert_eq!(bad.status(), 400);
    let problem: Value = serde_json::from_str(&bad.text().await.unwrap()).unwrap();
    assert_eq!(problem["errors"][0]["pointer"], "Last-Event-ID");
}

#[tokio::test]
async fn a_list_has_no_use_for_what_was_seen_but_takes_no_nonsense_for_it() {
    let (world, _) = story().await;
    let list = async |seen: &str| {
        let asked = world.stream(Who::Admin, "?after=0&limit=1", Some(seen));
        let mut asked = asked.build().unwrap();
        let any = "*/*".parse().unwrap();
        asked.headers_mut().insert("Accept", any);
        let answer = world.client().execute(asked).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let (status, events) = list("2").await;
    assert_eq!(
        (status, &events["items"][0]["position"]),
        (200, &json!("1"))
    );
    for bad in ["", "-1", "x"] {
        let (status, problem) = list(bad).await;
        assert_eq!(
            (status, &problem["code"]),
            (400, &json!("invalid-input")),
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_tells_what_is_wanted_and_seen() {
    let (world, [first, second]) = story().await;
    let of_second = format!("?after=0&subject=migration/{second}");
    let cases = [
        (Who::Reader, "?after=0", &["1", "3", "5"][..]),
        (Who::Stranger, "?after=0", &["2", "4", "6"]),
        (Who::Admin, "?after=0&types=migration.forced", &["5", "6"]),
        (Who::Admin, of_second.as_str(), &["2", "4", "6"]),
        (Who::Admin, "?after=4&types=migration.*", &["5", "6"]),
    ];
    let mut streams = Vec::new();
    for (who, query, _) in cases {
        streams.push(world.listen(who, query, None).await);
    }
    world.happens(&first).await;
    world.happens(&second).await;
    for (stream, (who, query, expected)) in streams.iter_mut().zip(cases) {
        let ids = stream.ids(expected.len()).await;
        assert_eq!(ids, expected, "{who:?} {query}");
    }
    for wanted in ["*/*", "application/json, */*;q=0.1"] {
        let ask = world.ask("GET", &format!("{ROOT}/events"));
        let answer = ask.by(Who::Admin).header("Accept", wanted).send().await;
        assert_eq!(answer.items().len(), 6, "{wanted}");
    }
}

#[tokio::test]
async fn what_was_missed_is_said_and_where_to_begin_anew() {
    let (world, [first, _]) = story().await;
    world.native(Who::Admin, "/events").await.ok();
    world.sql("DELETE FROM events WHERE position <= 2");
    let mut streams = Vec::new();
    for (query, last) in [("", Some("0")), ("?after=1", None), ("", Some("99"))] {
        let mut stream = world.listen(Who::Reader, query, last).await;
        let said = stream.next().await.unwrap();
        let snapshot = format!("http://{}{ROOT}/snapshot", world.address);
        let expected = Said {
            kind: Some("reset".to_owned()),
            id: None,
            data: json!({"snapshot": snapshot, "position": "4"}),
        };
        assert_eq!(said, expected, "{query} {last:?}");
        streams.push(stream);
    }
    world.happens(&first).await;
    for stream in &mut streams {
        assert_eq!(stream.ids(1).await, ["5"], "and the stream goes on");
    }
    let mut kept = world.listen(Who::Admin, "?after=2", None).await;
    assert_eq!(kept.ids(3).await, ["3", "4", "5"]);
}

#[tokio::test]
async fn what_has_expired_is_said() {
    let (world, _) = story().await;
    world.native(Who::Admin, "/events").await.ok();
    let expired = world.store.events_expire(world.clock.now(), 2).await;
    assert_eq!(expired.unwrap(), 2);
    let mut late = world.listen(Who::Admin, "", Some("1")).await;
    assert_eq!(late.next().await.unwrap().kind.as_deref(), Some("reset"));
    let mut kept = world.listen(Who::Admin, "", Some("2")).await;
    assert_eq!(kept.ids(2).await, ["3", "4"]);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let (world, _) = story().await;
    let mut stream = world.listen(Who::Reader, "?after=0", None).await;
    assert_eq!(stream.ids(2).await, ["1", "3"]);
    world.advance(3_599);
    let mut other = world.listen(Who::Member, "?after=1", None).await;
    assert_eq!(other.ids(1).await, ["3"]);
    world.advance(1);
    assert_eq!((stream.next().await, other.next().await), (None, None));
}

#[tokio::test]
async fn a_stream_ends_when_its_token_was_taken_back() {
    let doubts = Arc::new(Doubts::default());
    let wanted = Wanted {
        doubts: Some(Arc::clone(&doubts)),
        ..Wanted::default()
    };
    let (world, [first, _]) = story_in(World::with(wanted).await).await;
    let mut stream = world.listen(Who::Reader, "?after=0", None).await;
    assert_eq!(stream.ids(2).await, ["1", "3"]);
    let asked_again = async || Ok((doubts.asked() > 0).then_some(()));
    for doubt in [Doubt::None, Doubt::NobodyKnows] {
        doubts.raise(doubt);
        wait_for("somebody to ask again", PATIENCE, asked_again)
            .await
            .unwrap();
        world.happens(&first).await;
        assert_eq!(stream.ids(1).await.len(), 1, "{doubt:?}");
    }
    doubts.raise(Doubt::TakenBack);
    assert_eq!(stream.next().await, None);
    world.native(Who::Reader, "/events").await.ok();
}

#[tokio::test]
async fn a_project_has_so_many_streams_at_one_time() {
    let (world, [first, _]) = story_in(World::configured(with_streams(2)).await).await;
    let status = async |who| {
        let response = world.stream(who, "", None).send().await.unwrap();
        (response.status().as_u16(), response)
    };
    let (one, two) = (status(Who::Reader).await, status(Who::Manager).await);
    assert_eq!((one.0, two.0), (200, 200));
    let (code, refused) = status(Who::Reader).await;
    assert_eq!(code, 403);
    let problem: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "quota-exceeded");
    assert_eq!(status(Who::Stranger).await.0, 200, "of another project");
    world.native(Who::Reader, "/events").await.ok();
    drop(two);
    wait_for("a free place", PATIENCE, async || {
        // Only who speaks finds out that nobody listens.
        world.happens(&first).await;
        Ok((status(Who::Reader).await.0 == 200).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_cut_off_again_and_again_hears_everything_once() {
    const MORE: i64 = 150;
    let (world, [first, second]) = story_in(World::configured(with_streams(10_000)).await).await;
    let last = 4 + MORE;
    let listeners = (0..30_usize).map(|number| {
        let world = &world;
        async move {
            // Some hang up after every event, some after many.
            let patience = 1 + number % 13;
            let mut heard: Vec<i64> = Vec::new();
            while heard.last() != Some(&last) {
                let seen = heard.last().copied().unwrap_or(0).to_string();
                let mut stream = world.listen(Who::Admin, "", Some(&seen)).await;
                for _ in 0..patience {
                    let said = stream.next().await.unwrap();
                    heard.push(said.id.unwrap().parse().unwrap());
                    if heard.last() == Some(&last) {
                        break;
                    }
                }
            }
            heard
        }
    });
    let happening = async {
        for number in 0..MORE {
            let uuid = if number % 2 == 0 { &first } else { &second };
            world.happens(uuid).await;
        }
    };
    let (heard, ()) = tokio::join!(join_all(listeners), happening);
    let expected: Vec<i64> = (1..=last).collect();
    for heard in heard {
        assert_eq!(heard, expected);
    }
}
