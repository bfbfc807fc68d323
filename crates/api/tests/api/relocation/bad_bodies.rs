//! Bodies that are nearly good: what is wrong is told with its place, and nothing is half made.

use std::cell::RefCell;

use godwit_api::relocation::routes::Takes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::changes::{Change, PLANS, all, everything, scene};
use super::openapi::conforms;
use crate::answers::Answer;
use crate::world::{Who, World};

/// How a good body becomes another one.
#[derive(Clone, Debug)]
enum Damage {
    /// A member that nobody knows.
    Odd,
    /// What nothing can be, in the place of this number.
    WrongType(usize),
    /// Something else, which may be good.
    Other(usize, Value),
    /// Without the member of this number.
    Missing(usize),
    /// Something else as a whole.
    Whole(Value),
    /// Its beginning.
    Cut(usize),
}

fn other() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2..3_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        Just(json!("x".repeat(256))),
        Just(json!("a\u{0}b")),
        Just(json!("2020-01-01T00:00:00Z")),
        Just(json!([])),
        Just(json!({})),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Odd),
        (0..99_usize).prop_map(Damage::WrongType),
        (0..99_usize, other()).prop_map(|(place, value)| Damage::Other(place, value)),
        (0..99_usize).prop_map(Damage::Missing),
        prop_oneof![
            Just(json!([])),
            Just(json!("x")),
            Just(json!(7)),
            Just(json!([{}]))
        ]
        .prop_map(Damage::Whole),
        (1..40_usize).prop_map(Damage::Cut),
    ]
}

/// Pointers to whatever is in a body, but to the body itself.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, it)| (name.clone(), it))
            .collect(),
        Value::Array(items) => (0..).map(|it: usize| it.to_string()).zip(items).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (name, value) in below {
        let place = format!("{at}/{name}");
        into.push(place.clone());
        places(value, &place, into);
    }
}

impl Damage {
    /// The body, and where something is wrong with it in any case.
    fn of(&self, body: &Value) -> (Vec<u8>, Option<String>) {
        let mut all = Vec::new();
        places(body, "", &mut all);
        let mut body = body.clone();
        let set = |body: &mut Value, place: usize, value: Value| {
            let pointer = all[place % all.len()].clone();
            *body.pointer_mut(&pointer).unwrap() = value;
            pointer
        };
        let wrong = match self {
            Self::Odd => {
                body["odd"] = json!(1);
                Some("/odd".to_owned())
            }
            // A constraint is an object, but not this one.
            Self::WrongType(place) => Some(set(&mut body, *place, json!({"no": {"such": 1}}))),
            Self::Other(place, value) => {
                set(&mut body, *place, value.clone());
                None
            }
            Self::Missing(number) => {
                let members = body.as_object_mut().unwrap();
                let name = members.keys().nth(number % members.len()).unwrap().clone();
                members.remove(&name);
                None
            }
            Self::Whole(value) => {
                body = value.clone();
                Some(String::new())
            }
            Self::Cut(bytes) => {
                let text = body.to_string().into_bytes();
                let bytes = (*bytes).min(text.len() - 1);
                return (text[..bytes].to_vec(), Some(String::new()));
            }
        };
        (body.to_string().into_bytes(), wrong)
    }
}

/// Is one place within the other? Some things are wrong as a whole.
fn is_about(pointer: &str, place: &str) -> bool {
    let pointer = pointer.strip_prefix('#').unwrap();
    let within = |outer: &str, inner: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(pointer, place) || within(place, pointer)
}

fn refused(answer: &Answer, wrong: Option<&str>) {
    conforms(answer, "Problem");
    let problem = answer.json();
    assert!(answer.status < 500, "{answer:?}");
    let Some(place) = wrong else { return };
    assert_eq!(answer.status, 400, "{answer:?}");
    let errors = problem["errors"].as_array().unwrap();
    let told = errors
        .iter()
        .any(|it| is_about(it["pointer"].as_str().unwrap(), place));
    assert!(told, "{place:?} in {problem:#}");
}

/// How much was told after a position, and where that ends.
async fn told(world: &World, after: &str) -> (usize, String) {
    let (mut events, mut last) = (0, after.to_owned());
    loop {
        let path = format!("/events?after={last}&fields=position");
        let page = world.native(Who::Admin, &path).await;
        let some = page.items().len();
        page.ok()["last_position"]
            .as_str()
            .unwrap()
            .clone_into(&mut last);
        if some == 0 {
            return (events, last);
        }
        events += some;
    }
}

fn damaged(runtime: &Runtime, change: &Change<'_>) {
    let world = change.world;
    let position = RefCell::new(runtime.block_on(told(world, "0")).1);
    let all = RefCell::new(runtime.block_on(everything(world)));
    let config = Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&damage(), |damage| {
        let (body, wrong) = damage.of(&change.body);
        let answer = runtime.block_on(change.ask().body(body).send());
        let (events, now) = runtime.block_on(told(world, &position.borrow()));
        position.replace(now);
        if answer.status < 300 {
            prop_assert!(wrong.is_none(), "{:?} is good: {:?}", damage, answer);
            all.replace(runtime.block_on(everything(world)));
            return Ok(());
        }
        refused(&answer, wrong.as_deref());
        prop_assert_eq!(events, 0, "something is half made of {:?}", damage);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{}: {error}", change.path));
    // Since the last request that was granted.
    assert_eq!(
        runtime.block_on(everything(world)),
        *all.borrow(),
        "{}",
        change.path
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_makes_nothing() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(scene());
    let bodies = all().filter(|it| matches!(it.takes, Takes::Body));
    let mut several = 0;
    for operation in bodies {
        let forms = match operation.route.path.ends_with("/plans") {
            true => PLANS,
            false => 1,
        };
        for form in 0..forms {
            let change = runtime.block_on(Change::of(&world, operation, form));
            if !change.body.is_null() {
                damaged(&runtime, &change);
                several += 1;
            }
        }
    }
    assert!(several >= 12, "{several}");
}
