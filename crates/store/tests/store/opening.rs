//! Every way in which opening fails names its cause, and none hangs.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::{Bool, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use godwit_store::{OpenError, Store, StoreError, StoreOptions};
use godwit_test_support::postgres::TempPostgres;
use godwit_test_support::wait_for;

use crate::bench::{Bench, host};

fn options() -> StoreOptions {
    StoreOptions {
        connect_timeout: Duration::from_secs(2),
        ..StoreOptions::default()
    }
}

async fn refusal(url: &str) -> OpenError {
    let began = Instant::now();
    let error = Store::open(url, options()).await.unwrap_err();
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "it hung: {error}"
    );
    error
}

#[tokio::test]
async fn a_wrong_url_is_refused_before_anything_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    for (url, cause) in [
        (
            "host=localhost dbname=godwit",
            "list of connection parameters",
        ),
        ("http://localhost/godwit", "http:// is no database"),
        ("/var/lib/godwit.db", "no scheme"),
        ("sqlite::memory:", "not durable"),
    ] {
        let error = refusal(url).await;
        assert!(matches!(error, OpenError::Url(_)), "{error:?}");
        assert!(error.to_string().contains(cause), "{error}");
        let error = Store::upgrade(url, &options()).await.unwrap_err();
        assert!(error.to_string().contains(cause), "{error}");
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    assert!(!std::path::Path::new("host=localhost dbname=godwit").exists());
}

#[tokio::test]
async fn sqlite_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().display();
    let gone = format!("sqlite://{root}/no/such/godwit.db");
    for error in [
        refusal(&gone).await,
        Store::upgrade(&gone, &options()).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
        assert!(
            text.contains("no/such") && text.contains("No such file"),
            "{text}"
        );
    }
    let absent = format!("sqlite://{root}/godwit.db");
    let text = refusal(&absent).await.to_string();
    assert!(
        text.contains("godwit.db") && text.contains("No such file"),
        "{text}"
    );
    assert_eq!(
        directory.path().read_dir().unwrap().count(),
        0,
        "open makes no file"
    );
    let text = refusal(&format!("sqlite://{root}")).await.to_string();
    assert!(text.contains("it is a directory"), "{text}");

    std::fs::write(
        directory.path().join("text.db"),
        "no database at all\n".repeat(100),
    )
    .unwrap();
    let text = refusal(&format!("sqlite://{root}/text.db"))
        .await
        .to_string();
    assert!(text.contains("file is not a database"), "{text}");
    let beneath = refusal(&format!("sqlite://{root}/text.db/godwit.db"))
        .await
        .to_string();
    assert!(beneath.contains("is not a directory"), "{beneath}");
}

#[tokio::test]
async fn postgres_says_who_does_not_answer() {
    // Nobody listens there: the listener is gone again.
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let text = refusal(&format!("postgres://godwit:s3cret@127.0.0.1:{port}/godwit")).await;
    let text = format!("{text} {text:?}");
    assert!(text.contains(&port.to_string()), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");

    // Somebody listens, and never says a word.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let text = refusal(&format!("postgres://godwit@127.0.0.1:{port}/godwit"))
        .await
        .to_string();
    assert!(text.contains("timeout expired"), "{text}");

    let text = refusal("postgres://godwit@no-such-host.invalid/godwit")
        .await
        .to_string();
    assert!(text.contains("no-such-host.invalid"), "{text}");
}

#[tokio::test]
async fn postgres_says_whom_it_does_not_know() {
    let server = TempPostgres::shared().unwrap();
    let url = server.url("no_such_database");
    let text = refusal(&url).await.to_string();
    assert!(
        text.contains("\"no_such_database\" does not exist"),
        "{text}"
    );
    let port = server.port();
    let stranger = format!("postgres://stranger:s3cret@127.0.0.1:{port}/postgres");
    let text = refusal(&stranger).await.to_string();
    assert!(text.contains("\"stranger\" does not exist"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    // TLS is compiled in, and what is asked for is not silently left out.
    let text = refusal(&format!("{}?sslmode=require", server.url("postgres")))
        .await
        .to_string();
    assert!(text.contains("does not support SSL"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_repeated() {
    let server = TempPostgres::start().unwrap();
    let mut superuser = PgConnection::establish(&server.url("postgres")).unwrap();
    let hba: String = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(
        "current_setting('hba_file')",
    ))
    .get_result(&mut superuser)
    .unwrap();
    superuser
        .batch_execute(&format!(
            "CREATE ROLE guest LOGIN PASSWORD 'right';
             COPY (VALUES ('host all guest 127.0.0.1/32 scram-sha-256'),
                          ('host all all 127.0.0.1/32 trust')) TO '{hba}';
             SELECT pg_reload_conf()"
        ))
        .unwrap();
    let port = server.port();
    let url = |password| format!("postgres://guest:{password}@127.0.0.1:{port}/postgres");
    let text = wait_for(
        "the server to ask for passwords",
        Duration::from_secs(10),
        async || match Store::open(&url("wr0ng"), options()).await.unwrap_err() {
            error @ OpenError::Unreachable { .. } => Ok(Some(format!("{error} {error:?}"))),
            error => anyhow::bail!("{error}"),
        },
    )
    .await
    .unwrap();
    assert!(
        text.contains("password authentication failed for user \"guest\""),
        "{text}"
    );
    assert!(!text.contains("wr0ng"), "{text}");
    let right = refusal(&url("right")).await;
    assert!(matches!(right, OpenError::Empty { .. }), "{right:?}");
}

on_both! {
    async fn schemas_must_match(bench: Bench) {
        assert_eq!(Store::upgrade(&bench.url, &options()).await.unwrap(), Vec::<String>::new());
        bench.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')");
        let newer = refusal(&bench.url).await;
        assert!(matches!(newer, OpenError::Newer { .. }), "{newer:?}");
        assert!(newer.to_string().contains("29990101000000"), "{newer}");
        let refused = Store::upgrade(&bench.url, &options()).await.unwrap_err();
        assert!(matches!(refused, OpenError::Newer { .. }), "{refused:?}");

        bench.sql("DELETE FROM __diesel_schema_migrations");
        let empty = refusal(&bench.url).await;
        assert!(matches!(empty, OpenError::Empty { .. }), "{empty:?}");
        bench.sql("DROP TABLE __diesel_schema_migrations");
        let empty = refusal(&bench.url).await;
        assert!(empty.to_string().contains("godwit db upgrade"), "{empty}");
        // What is there is not ours to overwrite.
        let failed = Store::upgrade(&bench.url, &options()).await.unwrap_err();
        assert!(matches!(failed, OpenError::Upgrade { .. }), "{failed:?}");
        assert!(failed.to_string().contains("already exists"), "{failed}");
    }

    async fn many_upgrades_at_once_do_no_harm(bench: Bench) {
        let url = if bench.url.starts_with("sqlite") {
            bench.url.replace("godwit.db", "fresh.db")
        } else {
            TempPostgres::shared().unwrap().create_database().unwrap()
        };
        let options = options();
        let upgrades = (0..4).map(|_| Store::upgrade(&url, &options));
        let mut applied: Vec<usize> = Vec::new();
        for upgrade in futures::future::join_all(upgrades).await {
            applied.push(upgrade.unwrap().len());
        }
        applied.sort_unstable();
        assert_eq!(applied[..3], [0, 0, 0]);
        assert!(applied[3] > 0);
        Store::open(&url, options).await.unwrap();
    }

    async fn the_pool_is_bounded(bench: Bench) {
        bench.store.ping().await.unwrap();
        let pool = bench.store.pool();
        assert_eq!((pool.size, pool.in_use), (StoreOptions::default().pool_size, 0));
        assert!(pool.open >= 1);
    }

    async fn the_database_has_a_clock(bench: Bench) {
        // 2026-01-01; a machine whose clock is behind that has other troubles.
        assert!(bench.store.clock().await.unwrap() > 1_767_225_600);
    }
}

#[tokio::test]
async fn callers_are_told_when_nothing_becomes_free() {
    let bench = Bench::postgres().await;
    let options = StoreOptions {
        pool_size: 1,
        busy_timeout: Duration::from_millis(50),
        ..StoreOptions::default()
    };
    let store = Store::open(&bench.url, options).await.unwrap();
    store.ping().await.unwrap();
    let holder = store.clone();
    let mut lock = PgConnection::establish(&bench.url).unwrap();
    lock.batch_execute("BEGIN; LOCK TABLE services").unwrap();
    let registration = crate::bench::registration("a", crate::bench::at(0));
    let held = tokio::spawn(async move { holder.host_register(registration).await });
    wait_for(
        "the one connection to be in use",
        Duration::from_secs(5),
        async || Ok((store.pool().in_use == 1).then_some(())),
    )
    .await
    .unwrap();
    let busy = store.host_list().await.unwrap_err();
    assert!(
        matches!(busy, StoreError::Busy(_)) && busy.is_transient(),
        "{busy:?}"
    );
    assert_eq!(store.pool().refused, 1);
    lock.batch_execute("COMMIT").unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(store.host_list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn connections_that_broke_are_replaced() {
    let bench = Bench::postgres().await;
    bench.host("a").await;
    // Fill the pool, then break every connection of it.
    let finds = (0..32).map(|_| bench.store.host_list());
    futures::future::join_all(finds).await;
    bench.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let reads = (0..32).map(|_| bench.store.host_list());
    for read in futures::future::join_all(reads).await {
        assert_eq!(read.unwrap().len(), 1);
    }
    bench.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let name = host("a");
    let boot = crate::bench::uuid("boot", "a");
    let at = crate::bench::at(9);
    assert!(
        bench.store.host_heartbeat(&name, boot, at).await.unwrap(),
        "writes too"
    );
}

/// A line of SQLite's about how it would execute a statement.
#[derive(QueryableByName)]
struct Planned {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[test]
fn sqlite_prepares_a_statement_once_whatever_it_is_executed_with() {
    #[derive(QueryableByName)]
    struct Used {
        #[diesel(sql_type = Bool)]
        used: bool,
    }
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    let found: Used = sql_query("SELECT sqlite_compileoption_used('ENABLE_QPSG') AS used")
        .get_result(&mut connection)
        .unwrap();
    assert!(found.used, "see .cargo/config.toml");
}

#[tokio::test]
async fn a_projects_list_of_migrations_walks_an_index_in_its_order() {
    let bench = Bench::sqlite().await;
    let path = bench.url.strip_prefix("sqlite://").unwrap();
    let mut connection = SqliteConnection::establish(path).unwrap();
    let plan: Vec<Planned> = sql_query(
        "EXPLAIN QUERY PLAN SELECT id FROM migrations
         WHERE deleted_at IS NULL AND hidden = ? AND server_project_id = ?
           AND created_at <= ? AND (created_at < ? OR id < ?)
         ORDER BY created_at DESC, id DESC LIMIT ?",
    )
    .load(&mut connection)
    .unwrap();
    let plan: Vec<_> = plan.into_iter().map(|line| line.detail).collect();
    assert!(plan[0].contains("migrations_by_server_project"), "{plan:?}");
    assert!(
        !plan.iter().any(|line| line.contains("ORDER BY")),
        "{plan:?}"
    );
}

#[tokio::test]
async fn lists_of_servers_walk_an_index_in_their_order() {
    let bench = Bench::sqlite().await;
    let path = bench.url.strip_prefix("sqlite://").unwrap();
    let mut connection = SqliteConnection::establish(path).unwrap();
    for (filter, index) in [
        ("", "servers_by_age"),
        ("AND servers.project_id = ?", "servers_by_project"),
        ("AND servers.host = ?", "servers_by_host"),
    ] {
        let plan: Vec<Planned> = sql_query(format!(
            "EXPLAIN QUERY PLAN SELECT servers.id
             FROM servers JOIN flavors ON servers.flavor_id = flavors.id
             WHERE servers.deleted_at IS NULL {filter}
             ORDER BY servers.created_at DESC, servers.uuid LIMIT ?"
        ))
        .load(&mut connection)
        .unwrap();
        let plan: Vec<_> = plan.into_iter().map(|line| line.detail).collect();
        assert!(plan[0].contains(index), "{filter}: {plan:?}");
        assert!(
            !plan.iter().any(|line| line.contains("ORDER BY")),
            "{filter}: {plan:?}"
        );
    }
}
