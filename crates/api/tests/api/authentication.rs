//! Tokens over HTTP: what is not good gets one answer, whatever is wrong with it.

use godwit_api::config::AuthConfig;
use godwit_test_support::token::{TokenKey, forge_unsigned};
use serde_json::json;

use crate::seed::SERVER;
use crate::world::{NOW, Wanted, Who, World};

#[tokio::test]
async fn a_token_that_is_not_good_is_answered_like_none() {
    let world = World::new().await;
    world.populate().await;
    let other = TokenKey::new().unwrap();
    let admin = Who::Admin.claims();
    let expired = json!({"sub": "u", "roles": ["admin"], "exp": NOW - 1});
    let early = json!({"sub": "u", "roles": ["admin"], "exp": NOW + 9, "nbf": NOW + 5});
    let tokens = [
        None,
        Some(String::new()),
        Some("bogus".to_owned()),
        Some("a.b.c".to_owned()),
        Some(other.sign(&admin).unwrap()),
        Some(world.key.forge_hmac(&admin).unwrap()),
        Some(forge_unsigned(&admin).unwrap()),
        Some(world.key.sign(&expired).unwrap()),
        Some(world.key.sign(&early).unwrap()),
        Some(world.key.sign(&json!({"sub": "u"})).unwrap()),
        Some("x".repeat(20_000)),
    ];
    for token in tokens {
        for path in [
            "/v2.1/servers",
            "/v2.1/no/such/route",
            "/v2/servers",
            &format!("/v2.1/servers/{SERVER}"),
        ] {
            let ask = world.ask("GET", path).version(999);
            let ask = match &token {
                Some(token) => ask.header("X-Auth-Token", token),
                None => ask,
            };
            let answer = ask.send().await;
            assert_eq!(answer.status, 401, "{token:?}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let expected = json!({"error": {"code": 401, "title": "Unauthorized", "message":
                "The request you have made requires authentication."}});
            assert_eq!(answer.json(), expected);
            let uri = format!("Keystone uri=\"http://{}/identity\"", world.address);
            assert_eq!(answer.header("www-authenticate"), Some(&*uri));
            assert!(answer.header("x-openstack-request-id").is_some());
            assert_eq!(answer.header("openstack-api-version"), None);
        }
    }
}

#[tokio::test]
async fn the_token_has_a_second_name_for_where_the_first_is_missing() {
    let world = World::new().await;
    let token = world.token(Who::Admin);
    let ask = |headers: &[(&str, &str)]| {
        let ask = world.ask("GET", "/v2.1/servers");
        let named = headers
            .iter()
            .fold(ask, |ask, (name, value)| ask.header(name, value));
        named.send()
    };
    let code = async |headers: &[(&str, &str)]| ask(headers).await.status;
    assert_eq!(code(&[("X-Storage-Token", &token)]).await, 200);
    let both = [("X-Storage-Token", "bogus"), ("X-Auth-Token", &token)];
    assert_eq!(code(&both).await, 200, "the first name counts");
    let both = [("X-Auth-Token", "bogus"), ("X-Storage-Token", &token)];
    assert_eq!(code(&both).await, 401, "the first name counts");
    let twice = [("X-Storage-Token", &*token), ("X-Storage-Token", &token)];
    assert_eq!(code(&twice).await, 401);
}

#[tokio::test]
async fn two_tokens_are_none() {
    let world = World::new().await;
    let token = world.token(Who::Admin);
    let ask = world
        .ask("GET", "/v2.1/servers")
        .header("X-Auth-Token", &token);
    assert_eq!(ask.header("X-Auth-Token", &token).send().await.status, 401);
}

#[tokio::test]
async fn a_token_ends_when_its_time_is_over() {
    let world = World::new().await;
    let token = world.token(Who::Reader);
    let ask = || {
        world
            .ask("GET", "/v2.1/servers")
            .header("X-Auth-Token", &token)
            .send()
    };
    assert_eq!(ask().await.status, 200);
    world.advance(3_599);
    assert_eq!(ask().await.status, 200);
    world.advance(1);
    assert_eq!(ask().await.status, 401);
}

#[tokio::test]
async fn clients_are_sent_where_the_configuration_says() {
    let auth = AuthConfig {
        www_authenticate_uri: Some("https://keystone.example.org/".to_owned()),
        ..AuthConfig::default()
    };
    let world = World::with(Wanted {
        auth,
        ..Wanted::default()
    })
    .await;
    let answer = world.ask("GET", "/v2.1/servers").send().await;
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Keystone uri=\"https://keystone.example.org/\"")
    );
}

#[tokio::test]
async fn without_a_role_nothing_is_allowed() {
    let world = World::new().await;
    world.populate().await;
    for who in [
        Who::Nobody,
        Who::Unscoped,
        Who::SystemAdmin,
        Who::SystemReader,
    ] {
        let answer = world.get(who, 80, "/v2.1/servers").await;
        assert_eq!(answer.forbidden(), "servers:index", "{who:?}");
    }
    // Whoever has a project but no role in it sees that a server of it is there.
    let path = format!("/v2.1/servers/{SERVER}");
    for (who, status) in [
        (Who::Nobody, 403),
        (Who::SystemAdmin, 403),
        (Who::SystemReader, 403),
        (Who::Unscoped, 404),
        (Who::Stranger, 404),
    ] {
        assert_eq!(world.get(who, 80, &path).await.status, status, "{who:?}");
    }
}
