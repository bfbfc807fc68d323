//! `Idempotency-Key` on whatever changes something: the same request again is answered alike, and
//! nothing is done twice.

use godwit_api::relocation::routes::Takes;
use serde_json::{Value, json};

use super::changes::{Change, all, everything, scene};
use crate::answers::Answer;
use crate::world::Who;

/// What of an answer is given again.
fn given(answer: &Answer) -> (u16, Value, [Option<String>; 3]) {
    let headers = ["content-type", "location", "etag"];
    let headers = headers.map(|name| answer.header(name).map(str::to_owned));
    let mut body = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
    // It is shown for one time only.
    if let Some(members) = body.as_object_mut() {
        members.remove("secret");
    }
    (answer.status, body, headers)
}

/// The version of what is changed, where that has one.
async fn version(change: &Change<'_>) -> Option<String> {
    let path = super::root(change.path.split('?').next().unwrap());
    let shown = change.world.ask("GET", &path).by(Who::Admin).send().await;
    shown.header("etag").map(str::to_owned)
}

/// Another request than that of `change`, with its key.
async fn another(change: &Change<'_>) -> Answer {
    let path = match change.operation.takes {
        Takes::Body => return change.send(Some("k"), &json!({"another": true})).await,
        Takes::Query([]) => change.path.replace(['1', '2', '3'], "4"),
        Takes::Query(_) => format!("{}&return_home=now", change.path),
    };
    let ask = change.ask_at(&path).header("Idempotency-Key", "k");
    ask.send().await
}

#[tokio::test]
async fn whatever_changes_something_is_done_once_and_answered_alike() {
    let world = scene().await;
    let (mut several, mut versions) = (0, 0);
    for operation in all() {
        let change = Change::of(&world, operation, 0).await;
        let name = format!("{} {}", operation.route.method, operation.route.path);
        let before = everything(&world).await;
        let version = version(&change).await;
        versions += usize::from(version.is_some());
        let send = async || {
            let ask = change.ask().header("Idempotency-Key", "k");
            let ask = match &version {
                Some(version) => ask.header("If-Match", version),
                None => ask,
            };
            match &change.body {
                Value::Null => ask.send().await,
                body => ask.json(body).send().await,
            }
        };
        let first = send().await;
        assert!((200..300).contains(&first.status), "{name}: {first:?}");
        let after = everything(&world).await;
        if !operation.route.path.ends_with("/redeliver") {
            assert_ne!(after, before, "{name} does something");
        }
        world.advance(1);
        // The version is another one by now, and the request is that of the first.
        let again = send().await;
        assert_eq!(given(&again), given(&first), "{name}");
        another(&change)
            .await
            .problem(422, "idempotency-key-reused");
        assert_eq!(everything(&world).await, after, "{name} is done once");
        several += 1;
    }
    assert!(several >= 15 && versions >= 5, "{several} {versions}");
}

/// Who repeats a request that changed nothing does not undo what others did since.
#[tokio::test]
async fn a_put_that_changes_nothing_is_not_done_later_either() {
    let world = scene().await;
    for operation in all().filter(|it| it.route.method == "PUT") {
        let change = Change::of(&world, operation, 0).await;
        let name = operation.route.path;
        change.send(Some("first"), &change.body).await;
        let same = change.send(Some("same"), &change.body).await;
        assert_eq!(same.status, 200, "{name}: {same:?}");
        let other = match name.rsplit('/').next().unwrap() {
            "allocation" => Some(json!({"state": "enabled", "reason": null})),
            "topology" => Some(json!({"pod": "p2", "cluster": null})),
            "management" => Some(json!({"managed": true, "reason": null})),
            _ => None,
        };
        match other {
            Some(body) => assert_eq!(change.send(None, &body).await.status, 200, "{name}"),
            None => {
                let path = super::root(&change.path);
                let left = world.ask("DELETE", &path).by(Who::Admin).send();
                assert_eq!(left.await.status, 204, "{name}");
            }
        }
        let since = everything(&world).await;
        world.advance(1);
        let again = change.send(Some("same"), &change.body).await;
        assert_eq!(given(&again), given(&same), "{name}");
        assert_eq!(everything(&world).await, since, "{name}");
    }
}
