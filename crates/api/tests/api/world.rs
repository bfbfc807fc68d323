//! A served API, its database, and those who ask it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use godwit_api::auth::jwt::JwtAuthenticator;
use godwit_api::auth::keys::KeySet;
use godwit_api::auth::revocation::Revocations;
use godwit_api::auth::signer::Signer;
use godwit_api::config::{ApiConfig, AuthConfig, PolicyConfig, WebhookConfig};
use godwit_api::development_identity::DevelopmentIdentity;
use godwit_api::http::sealing::make_key;
use godwit_api::ids::RandomIds;
use godwit_api::observability::HttpMetrics;
use godwit_api::policy::PolicySource;
use godwit_api::{ApiState, Parts, ServeError, serve};
use godwit_core::ids::ServerUuid;
use godwit_core::time::Clock;
use godwit_store::{MigrationRecord, Server, Store, StoreOptions};
use godwit_test_support::clock::TestClock;
use godwit_test_support::token::TokenKey;
use prometheus::Registry;
use rcgen::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answers::{Answer, Ask};
use crate::doubts::{Doubting, Doubts};
use crate::seed::{SERVER, migration_uuid};

/// Now: 2026-11-20T12:00:00Z, unless a test moves it.
pub(crate) const NOW: i64 = 1_795_176_000;

/// What the URLs of SQLite databases begin with.
const SQLITE: &str = "sqlite://";

/// PostgreSQL goes on counting where it was, whatever ids rows were given.
const SEQUENCES: &str = "
    SELECT setval(pg_get_serial_sequence('flavors', 'id'), max(id)) FROM flavors;
    SELECT setval(pg_get_serial_sequence('migrations', 'id'), max(id)) FROM migrations;
    SELECT setval(pg_get_serial_sequence('instance_actions', 'id'), max(id)) FROM instance_actions;
";

/// The project that owns the servers, unless a seed says otherwise.
pub(crate) const DEMO: &str = "57c79af21c7a417ba95da0325bc7300b";
/// Another project.
pub(crate) const LAB: &str = "ed8da9ca9005471bb18a766d737d3194";
/// The administrators' project.
pub(crate) const ADMIN: &str = "a74858f1a98540efb1d92325dbab4e6a";

/// Those who ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    /// An administrator in the servers' own project.
    HomeAdmin,
    /// An administrator in the administrators' project.
    Admin,
    Manager,
    Member,
    Reader,
    /// A manager of another project.
    Stranger,
    /// A member's token without any role.
    Nobody,
    SystemAdmin,
    SystemReader,
    /// A token without a scope.
    Unscoped,
}

impl Who {
    pub(crate) const ALL: [Self; 10] = [
        Self::HomeAdmin,
        Self::Admin,
        Self::Manager,
        Self::Member,
        Self::Reader,
        Self::Stranger,
        Self::Nobody,
        Self::SystemAdmin,
        Self::SystemReader,
        Self::Unscoped,
    ];

    /// Who that is, in a table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::HomeAdmin => "admin",
            Self::Admin => "admin elsewhere",
            Self::Manager => "manager",
            Self::Member => "member",
            Self::Reader => "reader",
            Self::Stranger => "manager elsewhere",
            Self::Nobody => "no role",
            Self::SystemAdmin => "system admin",
            Self::SystemReader => "system reader",
            Self::Unscoped => "unscoped",
        }
    }

    pub(crate) fn claims(self) -> Value {
        let exp = NOW + 3_600;
        let token = |user: &str, project: &str, roles: &[&str]| json!({"sub": user, "project_id": project, "roles": roles, "exp": exp});
        let all = ["admin", "manager", "member", "reader"];
        match self {
            Self::HomeAdmin => token("u-root", DEMO, &all),
            Self::Admin => token("u-admin", ADMIN, &all),
            Self::Manager => token("u-manager", DEMO, &all[1..]),
            Self::Member => token("u-member", DEMO, &all[2..]),
            Self::Reader => token("u-reader", DEMO, &all[3..]),
            Self::Stranger => token("u-stranger", LAB, &all[1..]),
            Self::Nobody => token("u-nobody", DEMO, &[]),
            Self::SystemAdmin => {
                json!({"sub": "u-admin", "system_scope": "all", "roles": all, "exp": exp})
            }
            Self::SystemReader => {
                json!({"sub": "u-sys", "system_scope": "all", "roles": ["reader"], "exp": exp})
            }
            Self::Unscoped => json!({"sub": "u-member", "exp": exp}),
        }
    }
}

/// What a test may want otherwise.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) config: ApiConfig,
    pub(crate) auth: AuthConfig,
    pub(crate) policy: PolicyConfig,
    /// What the policy file says; absent: as `policy` has it.
    pub(crate) rules: Option<Value>,
    pub(crate) identity: bool,
    /// Wherever the listener is.
    pub(crate) beyond_loopback: bool,
    /// Where to serve it; absent: a free port of the loopback address.
    pub(crate) listener: Option<TcpListener>,
    /// An empty PostgreSQL database; absent: SQLite.
    pub(crate) postgres: Option<String>,
    /// What is said of tokens to those who ask again; absent: that they are as good as ever.
    pub(crate) doubts: Option<Arc<Doubts>>,
}

/// A served API.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) state: ApiState,
    pub(crate) store: Store,
    pub(crate) key: TokenKey,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) wakes: Arc<AtomicUsize>,
    pub(crate) registry: Registry,
    client: reqwest::Client,
    url: String,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Wanted::default()).await
    }

    pub(crate) async fn with(wanted: Wanted) -> Self {
        Self::try_with(wanted).await.unwrap()
    }

    /// Why the API is not served like that.
    pub(crate) async fn refusal(wanted: Wanted) -> ServeError {
        Self::try_with(wanted).await.err().unwrap()
    }

    pub(crate) async fn configured(config: ApiConfig) -> Self {
        Self::with(Wanted {
            config,
            ..Wanted::default()
        })
        .await
    }

    /// With rules that an operator wrote.
    pub(crate) async fn under(rules: Value) -> Self {
        Self::with(Wanted {
            rules: Some(rules),
            ..Wanted::default()
        })
        .await
    }

    async fn try_with(mut wanted: Wanted) -> Result<Self, ServeError> {
        let directory = godwit_test_support::database_directory().unwrap();
        if let Some(rules) = wanted.rules {
            let file = directory.path().join("policy.yaml");
            std::fs::write(&file, rules.to_string()).unwrap();
            wanted.policy.file = Some(file);
        }
        let database = directory.path().join("godwit.db");
        let url = wanted
            .postgres
            .unwrap_or_else(|| format!("{SQLITE}{}", database.display()));
        Store::upgrade(&url, &StoreOptions::default())
            .await
            .unwrap();
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();

        let clock = Arc::new(TestClock::new(NOW));
        let key = TokenKey::new().unwrap();
        let signer = KeyPair::generate().unwrap();
        let keys = KeySet::default()
            .with_pem("test", key.public_pem().as_bytes())
            .and_then(|keys| keys.with_pem("identity", signer.public_key_pem().as_bytes()))
            .unwrap();
        let revoked = Arc::new(Revocations::default());
        let clock_dyn = || Arc::clone(&clock) as Arc<dyn Clock>;
        let verifier = Arc::new(JwtAuthenticator::new(
            keys,
            1_000,
            clock_dyn(),
            Arc::clone(&revoked),
        ));
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        let wakes = Arc::new(AtomicUsize::new(0));
        let woken = Arc::clone(&wakes);
        let parts = Parts {
            store: store.clone(),
            policy: PolicySource::open(wanted.policy).unwrap(),
            authenticator: match wanted.doubts {
                Some(doubts) => Arc::new(Doubting {
                    verifier: Arc::clone(&verifier),
                    doubts,
                }),
                None => Arc::clone(&verifier) as _,
            },
            clock: clock_dyn(),
            ids: Arc::new(RandomIds),
            wake: Arc::new(move || {
                woken.fetch_add(1, Ordering::Relaxed);
            }),
            metrics: metrics.clone(),
        };
        let identity = wanted.identity.then(|| DevelopmentIdentity {
            signer: Signer::from_pem(signer.serialize_pem().as_bytes()).unwrap(),
            verifier,
            revoked,
            clock: clock_dyn(),
            ids: Arc::new(RandomIds),
            token_lifetime: Duration::from_secs(600),
            beyond_loopback: wanted.beyond_loopback,
            metrics,
        });
        let sealing_key = directory.path().join("sealing.key");
        std::fs::write(&sealing_key, make_key().unwrap()).unwrap();
        let config = ApiConfig {
            workers: Some(1),
            webhooks: WebhookConfig {
                sealing_key_file: Some(sealing_key),
                ..wanted.config.webhooks
            },
            ..wanted.config
        };
        let state = ApiState::new(config, &wanted.auth, parts).unwrap();
        let listener = wanted
            .listener
            .unwrap_or_else(|| TcpListener::bind("127.0.0.1:0").unwrap());
        let (address, server) = serve(listener, state.clone(), identity)?;
        tokio::spawn(server);
        let client = godwit_test_support::http::builder()
            .no_proxy()
            .build()
            .unwrap();
        Ok(Self {
            address,
            state,
            store,
            key,
            clock,
            wakes,
            registry,
            client,
            url,
            _directory: directory,
        })
    }

    /// A token of somebody's.
    pub(crate) fn token(&self, who: Who) -> String {
        self.key.sign(&who.claims()).unwrap()
    }

    /// Moves the clock.
    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    /// Puts rows where they are.
    pub(crate) fn sql(&self, statements: &str) {
        let Some(file) = self.url.strip_prefix(SQLITE) else {
            let mut connection = PgConnection::establish(&self.url).unwrap();
            connection.batch_execute(statements).unwrap();
            return connection.batch_execute(SEQUENCES).unwrap();
        };
        let mut connection = SqliteConnection::establish(file).unwrap();
        connection
            .batch_execute("PRAGMA busy_timeout = 5000")
            .unwrap();
        connection.batch_execute(statements).unwrap();
    }

    /// How often the driver of migrations was nudged.
    pub(crate) fn woken(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }

    /// A request to be sent.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        Ask::new(self, method, path)
    }

    /// `GET` as somebody in some version.
    pub(crate) async fn get(&self, who: Who, minor: u32, path: &str) -> Answer {
        self.ask("GET", path).by(who).version(minor).send().await
    }

    /// `POST` with a JSON body.
    pub(crate) async fn post(&self, who: Who, minor: u32, path: &str, body: Value) -> Answer {
        self.ask("POST", path)
            .by(who)
            .version(minor)
            .json(&body)
            .send()
            .await
    }

    /// An action on the server of most tests.
    pub(crate) async fn act(&self, who: Who, minor: u32, action: Value) -> Answer {
        let path = format!("/v2.1/servers/{SERVER}/action");
        self.post(who, minor, &path, action).await
    }

    /// The server of most tests, as it is shown.
    pub(crate) async fn shown(&self, who: Who, minor: u32) -> Value {
        let path = format!("/v2.1/servers/{SERVER}");
        self.get(who, minor, &path).await.ok()["server"].take()
    }

    /// What it shows of the action that was answered like that.
    pub(crate) async fn shown_action(&self, who: Who, minor: u32, answer: &Answer) -> Value {
        let request = answer.header("x-openstack-request-id").unwrap();
        let path = format!("/v2.1/servers/{SERVER}/os-instance-actions/{request}");
        self.get(who, minor, &path).await.ok()["instanceAction"].take()
    }

    /// A server, as it is recorded.
    pub(crate) async fn recorded(&self, uuid: ServerUuid) -> Server {
        self.store.server_find(uuid).await.unwrap().unwrap()
    }

    /// The seeded migration `id`, as it is recorded.
    pub(crate) async fn recorded_migration(&self, id: i64) -> MigrationRecord {
        let uuid = migration_uuid(id).parse().unwrap();
        self.store.migration_find(uuid).await.unwrap().unwrap()
    }

    /// The one migration that is unfinished.
    pub(crate) async fn unfinished(&self) -> Option<MigrationRecord> {
        let all = self.store.migrations_unfinished().await.unwrap();
        assert!(all.len() <= 1);
        all.into_iter().next()
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }
}
