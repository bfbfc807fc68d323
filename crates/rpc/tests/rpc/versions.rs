//! Parties of different releases.

use std::collections::BTreeSet;

use crate::parties::*;
use godwit_rpc::agent::AgentClient;
use godwit_rpc::command::{Boot, Command, Move, MoveKind};
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_rpc::transport::LocalNetwork;
use godwit_rpc::version::{RPC_VERSION, Speaks};
use semver::Version;

fn speaks(version: Version, capabilities: &[&str]) -> Speaks {
    Speaks {
        version,
        capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn minor(by: u64) -> Version {
    Version::new(RPC_VERSION.major, RPC_VERSION.minor + by, 0)
}

/// What a conductor that speaks `caller` and an agent that speaks `answering` agree on, and
/// whether calls then work.
async fn meet(caller: Speaks, answering: Speaks) -> Result<Speaks, CallError> {
    let network = LocalNetwork::new();
    let agent = local(&network, agent_identity());
    let serving = serve_agent(&agent, Default::default(), answering).await;
    let client = AgentClient::new(
        &local(&network, conductor_identity()),
        &host("host-1"),
        serving.address.clone(),
        quick(),
        caller,
    );
    client.facts().await?;
    client.hello().await
}

#[tokio::test]
async fn the_release_before_and_the_one_after_work_together() {
    let old = speaks(minor(0), &["post-copy"]);
    let new = speaks(minor(1), &["post-copy", "relocate-storage"]);
    let both = Speaks {
        version: minor(0),
        capabilities: BTreeSet::from(["post-copy".to_owned()]),
    };
    assert_eq!(meet(old.clone(), new.clone()).await.unwrap(), both);
    assert_eq!(meet(new, old).await.unwrap(), both);
}

/// An agent of release 1.0 would take a cold move for a live one.
#[tokio::test]
async fn an_agent_that_knows_live_moves_only_is_asked_for_no_other() {
    let network = LocalNetwork::new();
    let agent = local(&network, agent_identity());
    let old = speaks(Version::new(1, 0, 0), &[]);
    let serving = serve_agent(&agent, Default::default(), old).await;
    // The last release that still speaks with it.
    let client = AgentClient::new(
        &local(&network, conductor_identity()),
        &host("host-1"),
        serving.address.clone(),
        quick(),
        speaks(Version::new(1, 1, 0), &[]),
    );

    client.finish(command()).await.unwrap();
    let cold = Command {
        what: Move {
            kind: MoveKind::Cold,
            ..command().what
        },
        ..command()
    };
    let boot = Boot {
        command: cold.clone(),
        definition: None,
        power_on: false,
    };
    for refused in [
        client.finish(cold).await.unwrap_err(),
        client.boot(boot).await.unwrap_err(),
    ] {
        let incompatible = matches!(refused.refusal(), Some(Refusal::Incompatible { .. }));
        assert!(incompatible, "{refused:?}");
    }
}

/// One of release 1.1 powers nothing off and on but what it moves, and says so at once.
#[tokio::test]
async fn an_agent_that_only_moves_is_asked_for_nothing_else() {
    let network = LocalNetwork::new();
    let agent = local(&network, agent_identity());
    let old = speaks(Version::new(1, 1, 0), &[]);
    let serving = serve_agent(&agent, Default::default(), old).await;
    let client = agent_client(&local(&network, conductor_identity()), &serving);
    client.finish(command()).await.unwrap();
    let refused = client.power(power()).await.unwrap_err();
    let incompatible = matches!(refused.refusal(), Some(Refusal::Incompatible { .. }));
    assert!(incompatible, "{refused:?}");
}

#[tokio::test]
async fn a_patch_makes_no_difference() {
    let patched = Version::new(RPC_VERSION.major, RPC_VERSION.minor, RPC_VERSION.patch + 5);
    let agreed = meet(Speaks::default(), speaks(patched, &[])).await.unwrap();
    assert_eq!(agreed.version, RPC_VERSION);
}

#[tokio::test]
async fn releases_further_apart_are_refused_and_told_why() {
    let far = [minor(2), Version::new(RPC_VERSION.major + 1, 0, 0)];
    for theirs in far {
        for (caller, answering) in [
            (Speaks::default(), speaks(theirs.clone(), &[])),
            (speaks(theirs.clone(), &[]), Speaks::default()),
        ] {
            let wanted = Refusal::Incompatible {
                ours: answering.version.clone(),
                theirs: caller.version.clone(),
            };
            let error = meet(caller, answering).await.unwrap_err();
            assert_eq!(error.refusal(), Some(&wanted));
        }
    }
}
