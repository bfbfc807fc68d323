//! Metrics and health.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use godwit_api::observability::{Observed, Readiness, serve};

use crate::seed::SERVER;
use crate::world::{Who, World};

#[tokio::test]
async fn requests_are_counted_by_template_and_nothing_finer() {
    let world = World::new().await;
    world.moving("running").await;
    for id in ["1", "2", "x"] {
        world
            .get(
                Who::Admin,
                80,
                &format!("/v2.1/servers/{SERVER}/migrations/{id}"),
            )
            .await;
    }
    for path in ["/v2.1/made-up/1", "/v2.1/made-up/2", "/also-made-up"] {
        world.get(Who::Admin, 80, path).await;
    }
    world
        .ask("MADEUP", "/v2.1/servers")
        .by(Who::Admin)
        .send()
        .await;
    let text = metrics(&world).await;
    let route = "/servers/{server_id}/migrations/{migration_id}";
    for line in [
        format!(r#"godwit_http_requests_total{{method="GET",route="{route}",status="200"}} 1"#),
        format!(r#"godwit_http_requests_total{{method="GET",route="{route}",status="404"}} 2"#),
        r#"godwit_http_requests_total{method="GET",route="other",status="404"} 2"#.to_owned(),
        r#"godwit_http_requests_total{method="other",route="other",status="404"} 1"#.to_owned(),
        format!(r#"godwit_http_request_seconds_count{{method="GET",route="{route}"}} 3"#),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(!text.contains(SERVER) && !text.contains("made-up") && !text.contains("MADEUP"));
}

#[tokio::test]
async fn who_asks_for_openmetrics_gets_it() {
    let world = World::new().await;
    world.get(Who::Admin, 80, "/v2.1/servers").await;
    // As Prometheus asks.
    let wanted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let text = metrics_as(&world, wanted).await;
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in [
        "# TYPE godwit_http_requests counter\n",
        r#"godwit_http_requests_total{method="GET",route="/servers",status="200"} 1"#,
        r#"godwit_http_request_seconds_bucket{method="GET",route="/servers",le="30.0"} 1"#,
        r#"godwit_http_request_seconds_bucket{method="GET",route="/servers",le="+Inf"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

async fn metrics(world: &World) -> String {
    metrics_as(world, "*/*").await
}

async fn metrics_as(world: &World, wanted: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let observed = Observed {
        registry: world.registry.clone(),
        readiness: Vec::new(),
    };
    let (address, server) = serve(listener, observed).unwrap();
    tokio::spawn(server);
    let url = format!("http://{address}/metrics");
    world
        .client()
        .get(url)
        .header("accept", wanted)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

#[tokio::test]
async fn ready_means_that_everything_works() {
    let world = World::new().await;
    let works = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&works);
    let flag: Readiness = Arc::new(move || {
        let works = asked.load(Ordering::Relaxed);
        async move {
            if works {
                Ok(())
            } else {
                Err("it is off".to_owned())
            }
        }
        .boxed()
    });
    let store = world.store.clone();
    let database: Readiness = Arc::new(move || {
        let store = store.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }.boxed()
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let readiness = vec![("database", database), ("switch", flag)];
    let observed = Observed {
        registry: world.registry.clone(),
        readiness,
    };
    let (address, server) = serve(listener, observed).unwrap();
    tokio::spawn(server);
    let get = async |path: &str| {
        let response = world
            .client()
            .get(format!("http://{address}{path}"))
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/healthz/live").await.0, 200);
    assert_eq!(
        get("/healthz/ready").await,
        (503, r#"{"switch":"it is off"}"#.to_owned())
    );
    works.store(true, Ordering::Relaxed);
    assert_eq!(get("/healthz/ready").await.0, 200);
    assert_eq!(get("/").await.0, 404);
}
