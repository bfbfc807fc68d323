use std::sync::mpsc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;
use futures::future::join_all;
use godwit_test_support::wait_for;
use tempfile::TempDir;

use crate::connection::Database;
use crate::{Store, StoreError, StoreOptions};

/// A store with a table of numbers.
async fn numbers(options: StoreOptions) -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/numbers.db", directory.path().display());
    Store::upgrade(&url, &options).await.unwrap();
    let store = Store::open(&url, options).await.unwrap();
    let made: Result<(), StoreError> = store
        .write(|connection| Ok(connection.batch_execute("CREATE TABLE numbers (n BIGINT)")?))
        .await;
    made.unwrap();
    (store, directory)
}

fn insert(connection: &mut Database, number: i64) -> Result<(), StoreError> {
    sql_query("INSERT INTO numbers VALUES ($1)")
        .bind::<BigInt, _>(number)
        .execute(connection)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

fn select(connection: &mut Database) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<Number> = sql_query("SELECT n FROM numbers ORDER BY n").load(connection)?;
    Ok(rows.into_iter().map(|row| row.n).collect())
}

fn by_row(connection: &mut Database) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<Number> = sql_query("SELECT n FROM numbers ORDER BY rowid").load(connection)?;
    Ok(rows.into_iter().map(|row| row.n).collect())
}

/// Keeps the writer busy, from when this returns until the sender says so or is dropped.
async fn occupy(store: &Store) -> (tokio::task::JoinHandle<()>, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let store = store.clone();
    let occupied = tokio::spawn(async move {
        let done: Result<(), StoreError> = store
            .write(move |_| {
                begin.send(()).unwrap();
                let _ = released.recv();
                Ok(())
            })
            .await;
        done.unwrap();
    });
    begun.recv().await.unwrap();
    (occupied, release)
}

#[tokio::test]
async fn one_that_fails_or_panics_harms_no_other() {
    let (store, _directory) = numbers(StoreOptions::default()).await;
    let works = (0..60_i64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .write(move |connection| {
                    insert(connection, number)?;
                    match number % 3 {
                        0 => Ok(number),
                        1 => Err(StoreError::Stopped),
                        _ => panic!("number {number}"),
                    }
                })
                .await
        })
    });
    for (number, done) in (0..60_i64).zip(join_all(works).await) {
        match number % 3 {
            0 => assert_eq!(done.unwrap().unwrap(), number),
            1 => assert!(matches!(done.unwrap(), Err(StoreError::Stopped))),
            _ => assert!(done.unwrap_err().is_panic()),
        }
    }
    let expected: Vec<i64> = (0..60).filter(|number| number % 3 == 0).collect();
    assert_eq!(store.read(select).await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_waited_together_are_committed_together() {
    let (store, _directory) = numbers(StoreOptions::default()).await;
    let (occupied, release) = occupy(&store).await;
    let works = (0..10_i64).map(|number| {
        let (store, reader) = (store.clone(), store.clone());
        let seen = move |connection: &mut Database| {
            insert(connection, number)?;
            let inside = select(connection)?;
            let outside = tokio::runtime::Handle::current().block_on(reader.read(select))?;
            Ok::<_, StoreError>((inside.len(), outside.len()))
        };
        tokio::spawn(async move { store.write(seen).await.unwrap() })
    });
    let works: Vec<_> = works.collect();
    wait_for("all to wait", Duration::from_secs(30), async || {
        Ok((store.waiting_to_write() == works.len()).then_some(()))
    })
    .await
    .unwrap();
    drop(release);
    occupied.await.unwrap();
    let mut seen: Vec<_> = join_all(works)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    seen.sort_unstable();
    let expected: Vec<_> = (1..=10).map(|count| (count, 0)).collect();
    assert_eq!(seen, expected, "nobody else saw anything before the commit");
    assert_eq!(store.read(select).await.unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waited_too_long_is_never_begun() {
    let (store, _directory) = numbers(StoreOptions {
        busy_timeout: Duration::from_millis(50),
        ..StoreOptions::default()
    })
    .await;
    let (occupied, release) = occupy(&store).await;
    let refused = store.write(|connection| insert(connection, 1)).await;
    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    drop(release);
    occupied.await.unwrap();
    // On a busy machine the next one may come too late as well.
    wait_for(
        "the writer to be free",
        Duration::from_secs(30),
        async || {
            let written = store.write(|connection| insert(connection, 2)).await;
            Ok(Some(written?))
        },
    )
    .await
    .unwrap();
    assert_eq!(store.read(select).await.unwrap(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_waits_for_goes_first_and_keeps_nobody_out() {
    let (store, _directory) = numbers(StoreOptions::default()).await;
    let (occupied, release) = occupy(&store).await;
    let write = |store: &Store, number: i64| {
        let store = store.clone();
        tokio::spawn(async move {
            let written: Result<(), StoreError> = store
                .write(move |connection| insert(connection, number))
                .await;
            written.unwrap();
        })
    };
    let wait = async |count: usize| {
        let waiting = wait_for("all to wait", Duration::from_secs(30), async || {
            Ok((store.waiting_to_write() == count).then_some(()))
        });
        waiting.await.unwrap();
    };
    let mut writes: Vec<_> = (0..20).map(|number| write(&store, number)).collect();
    wait(20).await;
    let requests = store.for_requests();
    writes.extend((100..103).map(|number| write(&requests, number)));
    wait(23).await;
    drop(release);
    occupied.await.unwrap();
    join_all(writes).await.into_iter().for_each(Result::unwrap);
    let order = store.read(by_row).await.unwrap();
    let (first, others) = order.split_at(3);
    assert!(first.iter().all(|number| *number >= 100), "{order:?}");
    assert_eq!(others.len(), 20);
}
