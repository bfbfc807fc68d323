use godwit_core::failure::FailureCode;
use godwit_core::host::scope::Level;
use godwit_core::server_group::Policy;

use super::*;
use crate::fixtures::{SERVER, disabled, group, host, name, need};
use crate::reason::ReasonCode;

fn off() -> Vec<Because> {
    vec![disabled(Level::Host, "b")]
}

fn refusal() -> Failure {
    Failure::new(FailureCode::CpuIncompatible, "Unacceptable CPU info: no.")
}

fn begin(hosts: &[Host], target: &Target, max_retries: Option<u32>) -> Result<Search, Failure> {
    Search::begin(hosts, need("a"), target, max_retries)
}

#[test]
fn hosts_are_tried_one_after_the_other() {
    let hosts = [host("a"), host("b"), host("c")];
    let mut search = begin(&hosts, &Target::Any, None).unwrap();
    for wanted in ["b", "c"] {
        let tried = search.next_host().unwrap();
        assert_eq!(tried, name(wanted));
        search.refused(tried, refusal());
    }
    assert_eq!(search.next_host(), Err(texts::no_valid_host()));
    let rejected: Vec<_> = search
        .rejections()
        .iter()
        .map(|r| r.host.as_str())
        .collect();
    assert_eq!(rejected, ["a", "b", "c"]);
    assert_eq!(
        search.rejections()[1].reasons,
        [Reason::new(ReasonCode::Cpu, "Unacceptable CPU info: no.")]
    );
}

#[test]
fn refusals_are_limited() {
    let hosts: Vec<_> = ["a", "b", "c", "d"].map(host).into();
    let mut search = begin(&hosts, &Target::Any, Some(1)).unwrap();
    for _ in 0..2 {
        let tried = search.next_host().unwrap();
        search.refused(tried, refusal());
    }
    assert_eq!(
        search.next_host().unwrap_err().message,
        format!(
            "Exceeded maximum number of retries. Exceeded max scheduling retries 1 for instance \
             {SERVER} during live migration"
        )
    );
}

#[test]
fn a_hard_group_holds_for_a_forced_host() {
    let hosts = [host("a"), host("b"), host("c")];
    for (policy, others, text) in [
        (Policy::Affinity, "c", "Affinity"),
        (Policy::AntiAffinity, "b", "Anti-affinity"),
    ] {
        let need = Need {
            group: Some(group(policy, &[others])),
            ..need("a")
        };
        let begun = Search::begin(&hosts, need, &Target::Forced(name("b")), None);
        assert_eq!(
            begun.unwrap_err().message,
            format!(
                "Migration pre-check error: Failed to validate instance group policy due to: \
                 {text} instance group policy was violated"
            )
        );
    }
}

#[test]
fn a_named_host_is_the_only_one_tried() {
    let hosts = [host("a"), host("b"), host("c")];
    let mut search = begin(&hosts, &Target::Named(name("c")), None).unwrap();
    let tried = search.next_host().unwrap();
    assert_eq!(tried, name("c"));
    search.refused(tried, refusal());
    assert_eq!(search.next_host(), Err(texts::no_valid_host()));
}

#[test]
fn a_named_host_that_does_not_fit_is_no_valid_host() {
    let mut disabled = host("c");
    disabled.because = off();
    let hosts = [host("a"), host("b"), disabled];
    for wanted in ["a", "c", "nowhere"] {
        let mut search = begin(&hosts, &Target::Named(name(wanted)), None).unwrap();
        assert_eq!(search.next_host(), Err(texts::no_valid_host()), "{wanted}");
    }
}

#[test]
fn an_unknown_named_host_has_its_reason() {
    let search = begin(&[host("a")], &Target::Named(name("x")), None).unwrap();
    let last = search.rejections().last().unwrap();
    assert_eq!(
        (&last.host, last.reasons[0].code),
        (&name("x"), ReasonCode::Unknown)
    );
}

#[test]
fn a_source_that_is_down_ends_it_at_once() {
    let mut source = host("a");
    source.up = false;
    for target in [Target::Any, Target::Forced(name("b"))] {
        let failure = begin(&[source.clone(), host("b")], &target, None).unwrap_err();
        assert_eq!(
            failure.message,
            "Compute service of a is unavailable at this time."
        );
    }
}

#[test]
fn forcing_takes_a_disabled_host_and_names_its_refusal() {
    let mut disabled = host("b");
    disabled.because = off();
    disabled.used.vcpus = 8;
    let hosts = [host("a"), disabled];
    let mut search = begin(&hosts, &Target::Forced(name("b")), None).unwrap();
    let tried = search.next_host().unwrap();
    search.refused(tried, refusal());
    assert_eq!(search.next_host(), Err(refusal()));
}

#[test]
fn a_host_that_is_disabled_meanwhile_is_one_that_was_never_chosen() {
    let hosts = [host("a"), host("b"), host("c")];
    let mut search = begin(&hosts, &Target::Any, Some(0)).unwrap();
    let chosen = search.next_host().unwrap();
    search.disabled(chosen.clone(), &off());
    let last = search.rejections().last().unwrap();
    assert_eq!(
        (&last.host, last.reasons[0].code),
        (&chosen, ReasonCode::Disabled)
    );
    assert!(search.next_host().is_ok(), "it refused nothing");
}

#[test]
fn forcing_names_what_is_wrong() {
    let forced = |text: &str, spoil: &dyn Fn(&mut Host)| {
        let mut b = host("b");
        spoil(&mut b);
        let hosts = [host("a"), b];
        begin(&hosts, &Target::Forced(name(text)), None).unwrap_err()
    };
    let cases: [(Failure, &str); 6] = [
        (
            forced("a", &|_| {}),
            "Unable to migrate instance (11111111-2222-4333-8444-555555555555) to current host (a).",
        ),
        (
            forced("b", &|b| b.up = false),
            "Compute service of b is unavailable at this time.",
        ),
        (
            forced("x", &|_| {}),
            "Compute service of x is unavailable at this time.",
        ),
        (
            forced("b", &|b| b.used.memory_mb = 7_168),
            "Migration pre-check error: Unable to migrate \
             11111111-2222-4333-8444-555555555555 to b: Lack of memory(host:1024 <= instance:1024)",
        ),
        (
            forced("b", &|b| b.hypervisor_type = "fake".into()),
            "The supplied hypervisor type of is invalid.",
        ),
        (
            forced("b", &|b| b.hypervisor_version = 1),
            "The instance requires a newer hypervisor version than has been provided.",
        ),
    ];
    for (failure, text) in cases {
        assert_eq!(failure.message, text);
        assert!(failure.code.is_precheck());
    }
}

#[test]
fn a_dead_source_is_never_a_destination_and_no_hindrance() {
    let mut dead = host("a");
    dead.up = false;
    let hosts = [dead, host("b")];
    let need = || need("a");
    assert!(Search::begin(&hosts, need(), &Target::Any, None).is_err());
    let mut search = Search::begin_without_source(&hosts, need(), &Target::Any, None).unwrap();
    assert_eq!(search.next_host(), Ok(name("b")));
    assert_eq!(search.next_host(), Err(texts::no_valid_host()));
}
