//! What all lists have in common, on the list of migrations.

use serde_json::{Value, json};

use super::ROOT;
use crate::answers::Answer;
use crate::migrations::{NEWEST_FIRST, fleet};
use crate::world::{DEMO, LAB, Who, World};

/// The pages of a list, by following where each says that it goes on.
async fn pages(world: &World, who: Who, query: &str) -> Vec<Answer> {
    let base = format!("http://{}", world.address);
    let mut path = format!("{ROOT}/migrations?{query}");
    let mut pages = Vec::new();
    loop {
        let page = world.ask("GET", &path).by(who).send().await;
        let next = page.ok()["next"].clone();
        pages.push(page);
        match next {
            Value::String(next) => next.strip_prefix(&base).unwrap().clone_into(&mut path),
            _ => return pages,
        }
    }
}

fn ids(items: &[Value]) -> Vec<i64> {
    items.iter().map(|it| it["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn pages_are_the_whole_list_each_item_once() {
    let world = fleet().await;
    for limit in [1, 3, 9, 10, 11, 1_000] {
        let query = format!("limit={limit}&fields=id,uuid");
        let pages = pages(&world, Who::Admin, &query).await;
        assert_eq!(pages.len(), NEWEST_FIRST.len().div_ceil(limit.min(10)));
        let items: Vec<Value> = pages.iter().flat_map(Answer::items).collect();
        assert_eq!(ids(&items), NEWEST_FIRST, "{limit}");
    }
    let first = world.native(Who::Admin, "/migrations").await;
    assert_eq!(ids(&first.items()), NEWEST_FIRST);
}

#[tokio::test]
async fn a_page_keeps_the_query_of_the_first() {
    let world = fleet().await;
    let query = "status=running&limit=1&with_total=true&fields=id";
    let pages = pages(&world, Who::Admin, query).await;
    let found: Vec<Value> = pages
        .iter()
        .map(|page| page.ok()["items"].clone())
        .collect();
    assert_eq!(found, [json!([{"id": 3}]), json!([{"id": 12}])]);
    for page in &pages {
        assert_eq!(page.ok()["total"], 2);
    }
}

#[tokio::test]
async fn how_many_there_are_is_said_where_it_is_asked() {
    let world = fleet().await;
    let total = async |who, query: &str| {
        let answer = world.native(who, &format!("/migrations?{query}")).await;
        answer.ok()["total"].clone()
    };
    assert_eq!(total(Who::Admin, "limit=1").await, json!(null));
    assert_eq!(total(Who::Admin, "with_total=false").await, json!(null));
    assert_eq!(total(Who::Admin, "limit=1&with_total=true").await, 10);
    assert_eq!(total(Who::Admin, "host=host-2&with_total=true").await, 9);
    assert_eq!(total(Who::Reader, "with_total=true").await, 10);
    assert_eq!(total(Who::Stranger, "with_total=true").await, 0);
    let other = format!("with_total=true&project={DEMO}");
    assert_eq!(total(Who::Stranger, &other).await, 0);
    assert_eq!(total(Who::Admin, &other).await, 10);
    let lab = format!("with_total=true&project={LAB}");
    assert_eq!(
        total(Who::Admin, &lab).await,
        0,
        "the requester's is another thing"
    );
}

#[tokio::test]
async fn fields_are_those_that_were_asked_for_in_their_order() {
    let world = fleet().await;
    let answer = world
        .native(Who::Admin, "/migrations?fields=status,uuid&limit=1")
        .await;
    let item = &answer.items()[0];
    let names: Vec<_> = item.as_object().unwrap().keys().collect();
    assert_eq!(names, ["uuid", "status"]);
    let shown = world.native(Who::Admin, "/migrations/1?fields=id").await;
    assert_eq!(shown.ok(), json!({"id": 1}));
}
