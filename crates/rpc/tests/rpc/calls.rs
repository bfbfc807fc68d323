//! Every call, over each transport.

use std::sync::Arc;
use std::time::Duration;

use crate::parties::*;
use godwit_core::failure::FailureCode;
use godwit_core::ids::ServerUuid;
use godwit_core::migration::BlockMigration;
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_core::time::Timestamp;
use godwit_rpc::agent::{AgentClient, AgentPool};
use godwit_rpc::command::{
    Boot, CheckBoot, CheckSource, ForceMeans, MoveKind, Prepare, Start, Withdraw,
};
use godwit_rpc::conductor::ConductorClient;
use godwit_rpc::progress::{Ended, Outcome, Progress, WatchEvent};
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_rpc::transport::{LocalNetwork, Transport};
use godwit_rpc::version::Speaks;
use godwit_test_support::ca;
use godwit_test_support::fleet::rpc::{domain, receiver};
use godwit_test_support::fleet::{MIGRATION, SERVER, server};
use uuid::Uuid;

/// All calls of an agent give what it answered.
async fn all_calls_work(client: &AgentClient, agent: &TestAgent) {
    assert_eq!(client.facts().await.unwrap(), facts());
    client.finish(command()).await.unwrap();
    assert_eq!(agent.finished.lock().unwrap().as_slice(), [command()]);
    assert_eq!(
        client.force_complete(command()).await.unwrap(),
        ForceMeans::PostCopy
    );
    let refused = client.abort(command()).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(&Refusal::TooLate));

    let server = server(9);
    let check = CheckSource {
        migration: MIGRATION,
        server,
        kind: MoveKind::Cold,
        block_migration: BlockMigration::Auto,
        destination: facts(),
    };
    let refused = client.check_source(check).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(&Refusal::UnknownServer(server)));

    let check = CheckBoot {
        migration: command().what.migration,
        server,
        definition: "<guest/>".to_owned(),
    };
    client.check_boot(check).await.unwrap();
    let boot = Boot {
        command: command(),
        definition: None,
        power_on: true,
    };
    client.boot(boot.clone()).await.unwrap();
    assert_eq!(agent.booted.lock().unwrap().as_slice(), [boot]);
    let withdraw = Withdraw {
        command: command(),
        began_at: Timestamp::from_micros(1).unwrap(),
    };
    let refused = client.withdraw(withdraw).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(&Refusal::NoJob));
    let powered = client.power(power()).await.unwrap();
    assert_eq!(agent.powered.lock().unwrap().as_slice(), [power()]);
    assert_eq!(powered.power_state, PowerState::Shutdown);
    assert_eq!(powered.failure.unwrap().code, FailureCode::BootFailed);

    let start = Start {
        command: command(),
        receiver: receiver(),
    };
    let stale = Refusal::Stale {
        newest: command().rank,
    };
    let refused = client.start(start).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(&stale));

    let what = command().what;
    let mut events = client.watch(what.migration, what.server).await.unwrap();
    let mut heard = vec![];
    while let Some(event) = events.next().await.unwrap() {
        heard.push(event);
    }
    assert_eq!(
        heard,
        [
            WatchEvent::Progress(Progress::default()),
            WatchEvent::PostCopyStarted,
            WatchEvent::Ended(Ended {
                outcome: Outcome::HandedOver,
                progress: None
            })
        ]
    );
}

async fn both_transports_work(agent_side: Transport, conductor_side: Transport) {
    let agent = Arc::new(TestAgent::default());
    let serving = serve_agent(&agent_side, agent.clone(), Speaks::default()).await;
    let pool = AgentPool::new(conductor_side, quick());
    let client = pool.agent(&host(1), &serving.address.to_string()).unwrap();
    all_calls_work(&client, &agent).await;
}

#[tokio::test]
async fn within_one_process() {
    let network = LocalNetwork::new();
    both_transports_work(
        local(&network, agent_identity()),
        local(&network, conductor_identity()),
    )
    .await;
}

#[tokio::test]
async fn over_plain_loopback() {
    both_transports_work(
        Transport::Loopback(agent_identity()),
        Transport::Loopback(conductor_identity()),
    )
    .await;
}

#[tokio::test]
async fn over_mutual_tls() {
    let directory = tempfile::tempdir().unwrap();
    let authority = ca::TestCa::new().unwrap();
    both_transports_work(
        tls(directory.path(), &authority, ca::Role::Agent, "host-1"),
        tls(
            directory.path(),
            &authority,
            ca::Role::Conductor,
            "conductor-1",
        ),
    )
    .await;
}

#[tokio::test]
async fn who_does_not_answer_is_overdue() {
    let network = LocalNetwork::new();
    let agent = Arc::new(TestAgent::default());
    let serving = serve_agent(&local(&network, agent_identity()), agent, Speaks::default()).await;
    let client = agent_client(&local(&network, conductor_identity()), &serving);

    let prepare = Prepare {
        command: command(),
        guest: domain(SERVER, Sighting::Executing),
    };
    let error = client.prepare(prepare).await.unwrap_err();
    assert!(matches!(error, CallError::Overdue(_)), "{error:?}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_silent_watch_is_overdue() {
    let network = LocalNetwork::new();
    let agent = Arc::new(TestAgent::default());
    let serving = serve_agent(&local(&network, agent_identity()), agent, Speaks::default()).await;
    let client = agent_client(&local(&network, conductor_identity()), &serving);

    let nil = ServerUuid(Uuid::nil());
    let mut events = client.watch(command().what.migration, nil).await.unwrap();
    let error = events.next().await.unwrap_err();
    assert!(matches!(error, CallError::Overdue(_)), "{error:?}");
}

#[tokio::test]
async fn an_oversized_message_is_refused() {
    let network = LocalNetwork::new();
    let agent = Arc::new(TestAgent::default());
    let serving = serve_agent(&local(&network, agent_identity()), agent, Speaks::default()).await;
    let client = agent_client(&local(&network, conductor_identity()), &serving);

    let error = client.inventory().await.unwrap_err();
    assert!(matches!(error, CallError::Protocol(_)), "{error:?}");
    assert_eq!(
        client.facts().await.unwrap(),
        facts(),
        "the connection lives on"
    );
}

#[tokio::test]
async fn a_client_finds_its_way_back_to_a_restarted_agent() {
    let network = LocalNetwork::new();
    let side = local(&network, agent_identity());
    let agent = Arc::new(TestAgent::default());
    let first = serve_agent(&side, agent.clone(), Speaks::default()).await;
    let client = agent_client(&local(&network, conductor_identity()), &first);
    client.facts().await.unwrap();

    drop(first);
    godwit_test_support::wait_for(
        "the agent to be gone",
        Duration::from_secs(10),
        async || {
            Ok(match client.facts().await {
                Err(CallError::Unreachable(_)) => Some(()),
                Ok(_) | Err(_) => None,
            })
        },
    )
    .await
    .unwrap();

    let _second = serve_agent(&side, agent, Speaks::default()).await;
    godwit_test_support::wait_for(
        "the agent to be back",
        Duration::from_secs(10),
        async || Ok(client.facts().await.map(Some)?),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_name_is_served_once() {
    let network = LocalNetwork::new();
    let side = local(&network, agent_identity());
    let first = side.listen(ANY_PORT).await.unwrap();
    let error = side.listen(ANY_PORT).await.unwrap_err().to_string();
    assert!(error.contains("already being served"), "{error}");
    drop(first);
    side.listen(ANY_PORT).await.unwrap();
}

#[tokio::test]
async fn without_tls_only_loopback_is_served() {
    let error = Transport::Loopback(agent_identity())
        .listen("0.0.0.0:0".parse().unwrap())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("without TLS"), "{error}");
}

#[tokio::test]
async fn agents_speak_for_their_own_host_only() {
    let network = LocalNetwork::new();
    let conductor = Arc::new(TestConductor::default());
    let serving = serve_conductor(
        &local(&network, conductor_identity()),
        conductor.clone(),
        Speaks::default(),
    )
    .await;
    let client = ConductorClient::new(
        &local(&network, agent_identity()),
        serving.address.clone(),
        quick(),
        Speaks::default(),
    );

    assert!(client.heartbeat(heartbeat(1)).await.unwrap().registered);
    let error = client.heartbeat(heartbeat(2)).await.unwrap_err();
    let forbidden = matches!(error.refusal(), Some(Refusal::Forbidden(_)));
    assert!(forbidden, "{error:?}");
    assert_eq!(
        conductor.heard.lock().unwrap().as_slice(),
        [agent_identity()]
    );
}

#[tokio::test]
async fn each_service_lets_one_role_through() {
    let network = LocalNetwork::new();
    let agent = Arc::new(TestAgent::default());
    let serving = serve_agent(&local(&network, agent_identity()), agent, Speaks::default()).await;

    let other = local(&network, agent_identity());
    let error = agent_client(&other, &serving).facts().await.unwrap_err();
    let forbidden = matches!(error.refusal(), Some(Refusal::Forbidden(_)));
    assert!(forbidden, "an agent commands nobody: {error:?}");
}
