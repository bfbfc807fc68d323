//! Parties of different releases.

use std::collections::BTreeSet;

use crate::parties::*;
use godwit_rpc::agent::AgentClient;
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
        &host(1),
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
