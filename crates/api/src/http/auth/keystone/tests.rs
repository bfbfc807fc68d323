//! What the real Keystone cannot be made to do: hang, babble, be slow on cue. Everything else is
//! tested with the real one.

mod faulty;

use futures::future::join_all;
use godwit_test_support::clock::TestClock;
use godwit_test_support::token::TokenKey;
use godwit_test_support::wait_for;
use serde_json::json;
use tempfile::TempDir;

use self::faulty::{Behaviour, Faulty};
use super::*;

/// 2026-11-20T12:00:00Z.
const NOW: i64 = 1_795_176_000;
/// 2100-01-01T00:00:00Z, when the tokens of the faulty Keystone end.
const END: i64 = 4_102_444_800;
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    keystone: Arc<Faulty>,
    clock: Arc<TestClock>,
    authenticator: KeystoneAuthenticator,
    _directory: TempDir,
}

/// A world in which answers count for `cache_time` and may take `timeout`, in milliseconds.
async fn world(cache_time: u64, timeout: u64, keys: KeySet) -> World {
    let keystone = Faulty::start().await;
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let url = format!("http://{}/v3", keystone.address);
    let config = KeystoneConfig {
        cache_time: Duration::from_millis(cache_time),
        timeout: Duration::from_millis(timeout),
        calls_at_once: 2,
        ..KeystoneConfig::new(url.parse().unwrap(), "godwit", password)
    };
    let clock = Arc::new(TestClock::new(NOW));
    let steered = Arc::clone(&clock) as Arc<dyn Clock>;
    World {
        authenticator: KeystoneAuthenticator::new(&config, keys, 100, steered).unwrap(),
        keystone,
        clock,
        _directory: directory,
    }
}

const LONG: u64 = 60_000;

impl World {
    async fn ask(&self, token: &str) -> Result<String, AuthError> {
        let principal = self.authenticator.authenticate(token).await?;
        Ok(principal.user_id.clone().unwrap())
    }

    /// Asks until Keystone has vouched for it: a busy machine is slower than some of the
    /// timeouts here.
    async fn await_known(&self, token: &str) {
        let vouched = async || Ok(self.ask(token).await.ok());
        let known = wait_for("Keystone to know the token", PATIENCE, vouched).await;
        assert!(token.ends_with(&known.unwrap()));
    }

    /// Why nobody can tell.
    async fn unavailable(&self, token: &str) -> String {
        match self.ask(token).await {
            Err(AuthError::Unavailable(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_was_said_of_a_token_counts_for_a_while() {
    let world = world(LONG, LONG, KeySet::default()).await;
    for _ in 0..3 {
        assert_eq!(world.ask("good-ada").await.unwrap(), "ada");
        let bad = world.ask("bad").await.unwrap_err();
        assert!(matches!(bad, AuthError::Invalid(InvalidToken::NotKnown)));
    }
    assert_eq!(world.keystone.validations(), 2);
    assert_eq!(world.keystone.logins(), 1);
    world.clock.set(END);
    let over = world.ask("good-ada").await.unwrap_err();
    assert!(matches!(over, AuthError::Invalid(InvalidToken::Expired)));
}

#[tokio::test]
async fn who_asks_again_learns_that_a_token_was_taken_back() {
    let world = world(LONG, LONG, KeySet::default()).await;
    let again = async |token| world.authenticator.authenticate_again(token).await;
    assert_eq!(world.ask("good-ada").await.unwrap(), "ada");
    let known = world.authenticator.authenticate("good-ada").await.unwrap();
    let asked = join_all((0..50).map(|_| again("good-ada"))).await;
    for principal in asked {
        assert!(Arc::ptr_eq(&principal.unwrap(), &known));
    }
    assert_eq!(world.keystone.validations(), 2, "once a token");
    world.keystone.revokes("good-ada");
    let refused = async || Ok(again("good-ada").await.err());
    let refused = wait_for("the token to be refused", PATIENCE, refused).await;
    let refused = refused.unwrap();
    assert!(matches!(
        refused,
        AuthError::Invalid(InvalidToken::NotKnown)
    ));
    let anybody = world.ask("good-ada").await.unwrap_err();
    assert!(matches!(
        anybody,
        AuthError::Invalid(InvalidToken::NotKnown)
    ));
}

#[tokio::test]
async fn who_asks_again_while_nobody_can_tell_is_told_that() {
    let world = world(LONG, LONG, KeySet::default()).await;
    world.await_known("good-ada").await;
    world.keystone.behaves(Behaviour::Says(500));
    let again = world.authenticator.authenticate_again("good-ada").await;
    assert!(matches!(again, Err(AuthError::Unavailable(_))), "{again:?}");
    assert_eq!(
        world.ask("good-ada").await.unwrap(),
        "ada",
        "what is known counts"
    );
}

#[tokio::test]
async fn however_many_ask_for_a_token_keystone_is_asked_once() {
    let world = world(LONG, LONG, KeySet::default()).await;
    world.keystone.behaves(Behaviour::Hangs);
    let everybody = join_all((0..50).map(|_| world.ask("good-ada")));
    let release = async {
        let begun = async || Ok((world.keystone.logins() == 1).then_some(()));
        wait_for("the login", PATIENCE, begun).await.unwrap();
        world.keystone.behaves(Behaviour::Well);
    };
    let (answers, ()) = tokio::join!(everybody, release);
    assert!(answers.iter().all(|it| it.as_deref().unwrap() == "ada"));
    assert_eq!(world.keystone.validations(), 1);
    assert_eq!(world.keystone.logins(), 1);
}

#[tokio::test]
async fn calls_under_way_are_bounded() {
    let world = world(LONG, LONG, KeySet::default()).await;
    let tokens: Vec<String> = (0..20).map(|user| format!("good-{user}")).collect();
    let answers = join_all(tokens.iter().map(|token| world.ask(token))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(world.keystone.validations(), 20);
    assert!(world.keystone.most_under_way() <= 2);
}

#[tokio::test]
async fn a_keystone_that_hangs_is_given_up_and_left_alone() {
    let world = world(LONG, 100, KeySet::default()).await;
    world.await_known("good-ada").await;
    world.keystone.behaves(Behaviour::Hangs);
    for token in ["good-1", "good-2", "good-3"] {
        assert!(world.unavailable(token).await.contains("in time"));
    }
    let asked = world.keystone.validations();
    assert_eq!(world.unavailable("good-4").await, "Keystone is down");
    assert_eq!(world.keystone.validations(), asked);
    world.keystone.behaves(Behaviour::Well);
    world.await_known("good-5").await;
}

#[tokio::test]
async fn every_fault_is_a_refusal_to_tell_and_known_tokens_go_on_until_they_end() {
    let world = world(1, 500, KeySet::default()).await;
    world.await_known("good-ada").await;
    for behaviour in [
        Behaviour::Babbles,
        Behaviour::Floods,
        Behaviour::Says(500),
        Behaviour::Says(302),
        Behaviour::Says(403),
        Behaviour::HangsUp,
        Behaviour::Hangs,
    ] {
        world.keystone.behaves(behaviour);
        let why = world.unavailable("good-eve").await;
        assert!(!why.contains("good-") && !why.contains("service-"), "{why}");
        let known = world.ask("good-ada").await;
        assert_eq!(known.unwrap(), "ada", "{behaviour:?}");
        // What was a fault of the token alone is forgotten, so that the next fault is looked at.
        world.keystone.behaves(Behaviour::Well);
        world.await_known("good-ada").await;
    }
    world.keystone.behaves(Behaviour::HangsUp);
    world.clock.set(END);
    let over = world.ask("good-ada").await.unwrap_err();
    assert!(!matches!(over, AuthError::Invalid(InvalidToken::NotKnown)));
}

#[tokio::test]
async fn the_service_logs_in_again_when_its_token_is_refused() {
    let world = world(LONG, LONG, KeySet::default()).await;
    assert_eq!(world.ask("good-ada").await.unwrap(), "ada");
    world.keystone.forgets_the_service();
    assert_eq!(world.ask("good-bob").await.unwrap(), "bob");
    assert_eq!(world.keystone.logins(), 2);
}

#[tokio::test]
async fn a_refused_login_is_not_repeated_at_once() {
    let world = world(LONG, LONG, KeySet::default()).await;
    world.keystone.behaves(Behaviour::Distrusts);
    for token in ["good-1", "good-2", "good-3"] {
        assert!(world.unavailable(token).await.contains("log in"));
    }
    assert_eq!(world.keystone.logins(), 1);
    assert_eq!(world.keystone.validations(), 0);
}

#[tokio::test]
async fn of_signed_tokens_only_good_ones_are_asked_about() {
    let (key, other) = (TokenKey::new().unwrap(), TokenKey::new().unwrap());
    let pem = key.public_pem();
    let keys = KeySet::default().with_pem("test", pem.as_bytes()).unwrap();
    let world = world(LONG, LONG, keys).await;
    let claims =
        |exp: i64| json!({"sub": "u", "iat": NOW, "exp": exp, "openstack_methods": ["password"]});
    for (token, asked) in [
        (key.sign(&claims(NOW)).unwrap(), 0),
        (key.sign(&json!({"sub": "u"})).unwrap(), 0),
        (other.sign(&claims(NOW + 60)).unwrap(), 0),
        (key.forge_hmac(&claims(NOW + 60)).unwrap(), 0),
        ("a.b.c".to_owned(), 0),
        ("x".repeat(9_000), 0),
        (key.sign(&claims(NOW + 60)).unwrap(), 1),
        ("opaque".to_owned(), 2),
    ] {
        let error = world.ask(&token).await.unwrap_err();
        assert!(matches!(error, AuthError::Invalid(_)), "{error}");
        assert_eq!(world.keystone.validations(), asked, "{token}");
    }
}
