//! The role `api` with a real Keystone: whose tokens are good, for how long, and what happens
//! when Keystone does not answer.

use std::fs::read_to_string;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use godwit_test_support::keystone::{Keystone, Scope, TokenProvider};
use godwit_test_support::token::TokenKey;
use godwit_test_support::{http, wait_for};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, refused, run, text};

/// Until a revoked token is refused, in seconds.
const CACHE_TIME: f64 = 1.5;
const HOUR: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(30);

/// A service that asks a Keystone.
struct World {
    keystone: Keystone,
    api: Process,
    url: String,
    client: Client,
    tokens: Vec<String>,
    _directory: TempDir,
}

impl World {
    async fn new(provider: TokenProvider, token_lifetime: Duration) -> Result<Self> {
        let keystone = Keystone::start(provider, token_lifetime).await?;
        let directory = tempfile::tempdir()?;
        let config = configured(directory.path(), &keystone, provider)?;
        assert!(
            run(&["db", "upgrade", "--config", &config])
                .await?
                .status
                .success()
        );
        let mut api = Process::start(&["api", "--config", &config])?;
        let url = api.says("ready").await?;
        Ok(Self {
            keystone,
            api,
            url,
            client: http::client(),
            tokens: Vec::new(),
            _directory: directory,
        })
    }

    async fn log_in(&mut self, user: &str, scope: Scope) -> Result<String> {
        let token = self.keystone.log_in(user, scope).await?;
        self.tokens.push(token.clone());
        Ok(token)
    }

    async fn get(&self, path: &str, token: &str) -> Result<Response> {
        let call = self.client.get(format!("{}{path}", self.url));
        Ok(call.header("x-auth-token", token).send().await?)
    }

    async fn status(&self, path: &str, token: &str) -> Result<StatusCode> {
        Ok(self.get(path, token).await?.status())
    }

    async fn until(&self, path: &str, token: &str, wanted: StatusCode) -> Result<()> {
        wait_for(
            &format!("{path} to be {wanted}"),
            PATIENCE,
            async || match self.status(path, token).await? {
                status if status == wanted => Ok(Some(())),
                status => bail!("it is {status}"),
            },
        )
        .await
    }

    /// A token that is not good gets keystonemiddleware's answer.
    async fn refuses(&self, token: &str) -> Result<()> {
        let answer = self.get("/servers", token).await?;
        ensure!(answer.status() == StatusCode::UNAUTHORIZED, "{answer:?}");
        let place = format!("Keystone uri=\"{}\"", self.keystone.url());
        assert_eq!(answer.headers()["www-authenticate"], place);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let body: Value = answer.json().await?;
        let message = "The request you have made requires authentication.";
        let error = json!({"code": 401, "title": "Unauthorized", "message": message});
        assert_eq!(body, json!({ "error": error }));
        Ok(())
    }

    /// What everything that was logged, at the finest level, must not hold.
    fn is_discreet(&self) {
        let log = read_to_string(self.api.log()).unwrap();
        assert!(log.contains("logged in to Keystone"), "{log}");
        for token in &self.tokens {
            assert!(!log.contains(token), "a token is in the log");
        }
    }
}

fn configured(directory: &Path, keystone: &Keystone, provider: TokenProvider) -> Result<String> {
    let public_keys = match provider {
        TokenProvider::Fernet => Vec::new(),
        TokenProvider::Jws => vec![keystone.public_key()],
    };
    let config = json!({
        "database": {"url": format!("sqlite://{}/godwit.db", directory.display())},
        "api": {"listen": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
        "auth": {
            "mode": "keystone",
            "public_keys": public_keys,
            "keystone": {
                "url": keystone.url(),
                "username": "godwit",
                "password_file": keystone.service_password()?,
                "cache_time": CACHE_TIME,
                "timeout": 20,
            },
        },
    });
    let file = directory.join("godwit.yaml");
    std::fs::write(&file, config.to_string())?;
    Ok(text(&file).to_owned())
}

const ALL_PROJECTS: &str = "/servers?all_tenants=1";

/// Every scope, on a route for everybody with a role and on one for administrators.
async fn scopes_and_roles(world: &mut World) -> Result<()> {
    let demo = Scope::Project("demo");
    for (user, scope, own, all) in [
        ("reader", demo, 200, 403),
        ("member", demo, 200, 403),
        ("stranger", Scope::Project("lab"), 200, 403),
        ("admin", Scope::Project("admin"), 200, 200),
        // Rules are for tokens of projects.
        ("admin", Scope::System, 403, 403),
        ("admin", Scope::Domain, 403, 403),
        ("member", Scope::Unscoped, 403, 403),
    ] {
        let token = world.log_in(user, scope).await?;
        for (path, wanted) in [("/servers", own), (ALL_PROJECTS, all)] {
            let status = world.status(path, &token).await?;
            assert_eq!(status, wanted, "{user} {scope:?} {path}");
        }
    }
    Ok(())
}

async fn bad_tokens(world: &World, good: &str) -> Result<()> {
    let (half, _) = good.split_at(good.len() / 2);
    let odd = format!("{good}x");
    let changed = format!("A{}", &good[1..]);
    let long = "x".repeat(5_000);
    for bad in ["", "bad", "a.b.c", half, &odd, &changed, &long] {
        world.refuses(bad).await?;
    }
    let without = world.client.get(format!("{}/servers", world.url)).send();
    assert_eq!(without.await?.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

async fn revocation(world: &mut World) -> Result<()> {
    let (user, demo) = ("reader", Scope::Project("demo"));
    let (revoked, kept) = (
        world.log_in(user, demo).await?,
        world.log_in(user, demo).await?,
    );
    for token in [&revoked, &kept] {
        assert_eq!(world.status("/servers", token).await?, StatusCode::OK);
    }
    world.keystone.revoke(&revoked).await?;
    let begin = std::time::Instant::now();
    world
        .until("/servers", &revoked, StatusCode::UNAUTHORIZED)
        .await?;
    // What is allowed is the cache's time; the rest is for a busy machine.
    assert!(begin.elapsed() < Duration::from_secs_f64(CACHE_TIME + 10.0));
    assert_eq!(world.status("/servers", &kept).await?, StatusCode::OK);
    Ok(())
}

/// Known tokens go on, for longer than the cache's time; others get 503; then all is well again.
async fn down(world: &mut World) -> Result<()> {
    let demo = Scope::Project("demo");
    let known = world.log_in("member", demo).await?;
    let unknown = world.log_in("member", demo).await?;
    assert_eq!(world.status("/servers", &known).await?, StatusCode::OK);
    world.keystone.stop();
    let begin = std::time::Instant::now();
    wait_for("the cache's time to pass", PATIENCE, async || {
        ensure!(world.status("/servers", &known).await? == StatusCode::OK);
        let answer = world.get("/servers", &unknown).await?;
        ensure!(answer.status() == StatusCode::SERVICE_UNAVAILABLE);
        let body: Value = answer.json().await?;
        let fault = &body["serviceUnavailable"];
        assert_eq!(fault["code"], 503);
        assert!(
            fault["message"]
                .as_str()
                .unwrap()
                .contains("identity service")
        );
        Ok((begin.elapsed().as_secs_f64() > CACHE_TIME * 2.0).then_some(()))
    })
    .await?;
    world.keystone.resume().await?;
    world.until("/servers", &unknown, StatusCode::OK).await?;
    assert_eq!(world.status("/servers", &known).await?, StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn real_keystone_with_fernet_tokens() -> Result<()> {
    let mut world = World::new(TokenProvider::Fernet, HOUR).await?;
    scopes_and_roles(&mut world).await?;
    let good = world.log_in("reader", Scope::Project("demo")).await?;
    bad_tokens(&world, &good).await?;
    revocation(&mut world).await?;
    down(&mut world).await?;
    world.is_discreet();
    Ok(())
}

#[tokio::test]
async fn real_keystone_with_jws_tokens() -> Result<()> {
    let mut world = World::new(TokenProvider::Jws, HOUR).await?;
    scopes_and_roles(&mut world).await?;
    let good = world.log_in("reader", Scope::Project("demo")).await?;
    assert_eq!(good.split('.').count(), 3, "it is signed");
    bad_tokens(&world, &good).await?;
    revocation(&mut world).await?;
    // Signed by somebody else, it is refused even while nobody can be asked.
    let claims = json!({"sub": "u", "iat": 1, "exp": 4_102_444_800_i64});
    let forged = TokenKey::new()?.sign(&claims)?;
    world.keystone.stop();
    world.refuses(&forged).await?;
    world.keystone.resume().await?;
    world.is_discreet();
    Ok(())
}

/// Tokens live for seconds here, the service's own too.
async fn expiry(provider: TokenProvider) -> Result<()> {
    let mut world = World::new(provider, Duration::from_secs(10)).await?;
    let demo = Scope::Project("demo");
    let first = world.log_in("reader", demo).await?;
    assert_eq!(world.status("/servers", &first).await?, StatusCode::OK);
    world
        .until("/servers", &first, StatusCode::UNAUTHORIZED)
        .await?;
    // By now the service's token has had its time too.
    let next = world.log_in("reader", demo).await?;
    assert_eq!(world.status("/servers", &next).await?, StatusCode::OK);
    let log = read_to_string(world.api.log())?;
    assert!(log.matches("logged in to Keystone").count() >= 2, "{log}");
    // While nobody can be asked, what was good before is not good for ever.
    world.keystone.stop();
    wait_for("the next token to end", PATIENCE, async || {
        Ok((world.status("/servers", &next).await? != StatusCode::OK).then_some(()))
    })
    .await?;
    world.is_discreet();
    Ok(())
}

#[tokio::test]
async fn real_keystone_fernet_tokens_expire_and_the_service_logs_in_again() -> Result<()> {
    expiry(TokenProvider::Fernet).await
}

#[tokio::test]
async fn real_keystone_jws_tokens_expire_and_the_service_logs_in_again() -> Result<()> {
    expiry(TokenProvider::Jws).await
}

#[tokio::test]
async fn keystone_mode_needs_a_keystone_and_no_other_identity() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("godwit.yaml");
    let base = format!(
        "database: {{url: 'sqlite://{}/godwit.db'}}\napi: {{listen: '127.0.0.1:0'}}\n",
        directory.path().display()
    );
    std::fs::write(&file, &base)?;
    assert!(
        run(&["db", "upgrade", "--config", text(&file)])
            .await?
            .status
            .success()
    );
    let keystone = "keystone: {url: 'http://[::1]:5000/v3', username: u, password_file: p";
    for (more, says) in [
        (
            "auth: {mode: keystone}".to_owned(),
            "needs the section `auth.keystone`",
        ),
        (
            format!("auth: {{mode: keystone, {keystone}}}}}\nidentity: {{development: true}}"),
            "`identity.development`",
        ),
        (
            format!("auth: {{mode: keystone, {keystone}, ca: /nonexistent}}}}"),
            "cannot read /nonexistent",
        ),
        (
            "auth: {keystone: {url: 'ftp://a/v3', username: u, password_file: p}}".to_owned(),
            "an http or https URL",
        ),
    ] {
        std::fs::write(&file, format!("{base}{more}\n"))?;
        let said = refused(&["api", "--config", text(&file)]).await;
        assert!(said.contains(says), "{says}: {said}");
    }
    Ok(())
}
