//! Availability zones: where a server may be, and which services work there.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::ids::HostName;
use godwit_store::Service;
use serde::Serialize;

use super::service::{Liveness, State};
use crate::http::timestamps::Micros;

/// The zone of what runs no servers.
const INTERNAL: &str = "internal";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AvailabilityZone<'a> {
    zone_name: &'a str,
    zone_state: ZoneState,
    hosts: Option<Hosts<'a>>,
}

#[derive(Debug, Serialize)]
struct ZoneState {
    available: bool,
}

/// The services of each host of a zone.
type Hosts<'a> = BTreeMap<&'a HostName, BTreeMap<&'static str, ServiceInZone>>;

#[derive(Debug, Serialize)]
struct ServiceInZone {
    available: bool,
    active: bool,
    updated_at: Option<Micros>,
}

impl<'a> AvailabilityZone<'a> {
    /// Those that a server may be in, without what is there.
    pub fn short(services: &'a [Service], disabled: &[String]) -> Vec<Self> {
        let (available, others) = names(services, disabled);
        let [available, others] = [(available, true), (others, false)].map(|(names, available)| {
            let wanted = names.into_iter().filter(|name| *name != INTERNAL);
            wanted.map(move |name| Self::new(name, available, None))
        });
        available.chain(others).collect()
    }

    /// All of them, with the enabled services of those that are available.
    pub fn detailed(services: &'a [Service], disabled: &[String], liveness: Liveness) -> Vec<Self> {
        let (available, others) = names(services, disabled);
        let available = available.into_iter().map(|name| {
            let hosts = hosts(services, name, liveness);
            Self::new(name, true, Some(hosts))
        });
        let others = others.into_iter();
        let others = others.map(|name| Self::new(name, false, None));
        available.chain(others).collect()
    }

    fn new(zone_name: &'a str, available: bool, hosts: Option<Hosts<'a>>) -> Self {
        Self {
            zone_name,
            zone_state: ZoneState { available },
            hosts,
        }
    }
}

/// The zones that have an enabled service, and those whose services are all disabled, or that are
/// `disabled` themselves. Whether a service works is not asked.
fn names<'a>(
    services: &'a [Service],
    disabled: &[String],
) -> (BTreeSet<&'a str>, BTreeSet<&'a str>) {
    let is_disabled = |it: &Service| it.disabled || disabled.contains(&it.zone);
    let zones = |those: Vec<&'a Service>| those.into_iter().map(|it| it.zone.as_str()).collect();
    let (off, on) = services.iter().partition(|it| is_disabled(it));
    let (available, others): (BTreeSet<_>, BTreeSet<_>) = (zones(on), zones(off));
    let others = others.difference(&available).copied().collect();
    (available, others)
}

fn hosts<'a>(services: &'a [Service], zone: &str, liveness: Liveness) -> Hosts<'a> {
    let mut hosts = Hosts::new();
    for service in services.iter().filter(|it| !it.disabled && it.zone == zone) {
        let of_host = hosts.entry(&service.host).or_default();
        of_host.insert(
            service.binary.as_str(),
            ServiceInZone {
                available: State::of(service, liveness) == State::Up,
                active: !service.disabled,
                updated_at: service.updated_at.map(Micros),
            },
        );
    }
    hosts
}
