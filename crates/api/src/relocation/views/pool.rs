//! A storage pool: where disks lie, and which hosts reach it.

use std::collections::BTreeMap;

use godwit_core::ids::HostName;
use godwit_store::StoragePool;
use serde::Serialize;

/// The fields, in their order.
pub const FIELDS: &[&str] = &[
    "name",
    "kind",
    "shared",
    "hosts",
    "capacity_bytes",
    "free_bytes",
];

#[derive(PartialEq, Eq, Debug, Serialize)]
pub struct PoolView<'a> {
    name: &'a str,
    /// Not every agent tells it.
    kind: Option<&'a str>,
    shared: bool,
    hosts: Vec<&'a HostName>,
    capacity_bytes: i64,
    free_bytes: i64,
}

impl<'a> PoolView<'a> {
    /// Every pool, by name, of what each host says of those that it reaches. They say it at
    /// different times, so what is free is the least that one of them saw.
    pub fn all(of_hosts: &'a [(HostName, Vec<StoragePool>)]) -> Vec<Self> {
        let mut pools: BTreeMap<&str, Self> = BTreeMap::new();
        for (host, reached) in of_hosts {
            for pool in reached {
                let known = pools.entry(&pool.id).or_insert_with(|| Self::new(pool));
                known.hosts.push(host);
                known.shared = !pool.local && known.hosts.len() > 1;
                known.kind = known.kind.or(pool.kind.as_deref());
                known.capacity_bytes = known.capacity_bytes.max(pool.total_bytes);
                known.free_bytes = known.free_bytes.min(pool.available_bytes);
            }
        }
        pools.into_values().collect()
    }

    fn new(pool: &'a StoragePool) -> Self {
        Self {
            name: &pool.id,
            kind: pool.kind.as_deref(),
            shared: false,
            hosts: Vec::new(),
            capacity_bytes: pool.total_bytes,
            free_bytes: pool.available_bytes,
        }
    }

    pub fn name(&self) -> &'a str {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_pools_are_called_alike_and_not_shared() {
        let [a, b] = ["a", "b"].map(|name| HostName::new(name).unwrap());
        let local = |free| StoragePool {
            kind: Some("dir".to_owned()),
            local: true,
            ..pool("local", 10, free)
        };
        let said = [(a, vec![local(7)]), (b, vec![local(4)])];
        let view = PoolView::all(&said);
        assert_eq!((view[0].shared, view[0].kind), (false, Some("dir")));
        assert_eq!((view[0].hosts.len(), view[0].free_bytes), (2, 4));
    }

    fn pool(id: &str, total_bytes: i64, available_bytes: i64) -> StoragePool {
        StoragePool {
            id: id.to_owned(),
            total_bytes,
            available_bytes,
            kind: None,
            local: false,
        }
    }

    #[test]
    fn a_pool_that_several_hosts_reach_is_one() {
        let [a, b] = ["a", "b"].map(|name| HostName::new(name).unwrap());
        let said = [
            (a.clone(), vec![pool("nfs", 10, 7), pool("local-a", 5, 5)]),
            (b.clone(), vec![pool("nfs", 10, 4)]),
        ];
        let view = |name, shared, hosts, capacity_bytes, free_bytes| PoolView {
            name,
            kind: None,
            shared,
            hosts,
            capacity_bytes,
            free_bytes,
        };
        let expected = [
            view("local-a", false, vec![&a], 5, 5),
            view("nfs", true, vec![&a, &b], 10, 4),
        ];
        assert_eq!(PoolView::all(&said), expected);
    }
}
