//! A few moves, small enough for all their schedules to be looked at.

use fastrand::Rng;
use godwit_core::server_group::Policy;

use super::{MIB_PER_GIB, host, link, put};
use crate::fleet::{Fleet, FleetError, Group};
use crate::optimum::Mover;
use crate::table::{GroupNo, HostNo, Number, ServerNo};

/// What the bound is measured by: two to four hosts with links of their own, `most` servers at the
/// most, and who goes where: all of `host-0` anywhere else, or each to a home of its own, for which
/// others may have to leave first.
///
/// # Errors
///
/// Never.
pub fn few(seed: u64, most: usize) -> Result<(Fleet, Vec<Mover>), FleetError> {
    let mut random = Rng::with_seed(seed);
    let drain = random.bool();
    let count = random.usize(2..5);
    let mut hosts = Vec::new();
    let (one, stream) = (random.u64(5..26), random.u64(3..11));
    for at in 0..count {
        let memory = if drain { 4_096 } else { random.i64(20..80) };
        let own = random.bool();
        let (one, stream) = if own {
            (random.u64(4..26), random.u64(2..11))
        } else {
            (one, stream)
        };
        let mut host = host(at, memory * MIB_PER_GIB, link(one, stream));
        if random.u8(0..4) == 0 {
            host.host.pools.clear();
        }
        hosts.push(host);
    }
    let (mut servers, mut homes) = (Vec::new(), Vec::new());
    let wanted = random.usize(1..most.max(1).saturating_add(1));
    let mut homely: Vec<_> = hosts.iter().map(|it| it.host.capacity.memory_mb).collect();
    for _ in 0..wanted {
        let on = if drain { 0 } else { random.usize(0..count) };
        let home = random.usize(0..count);
        let memory_mb = (2.0 * 16_f64.powf(random.f64()) * MIB_PER_GIB as f64) as i64;
        let free = hosts.get(on).map_or(0, |it| it.host.free().memory_mb);
        let Some(left) = homely
            .get_mut(home)
            .filter(|left| **left >= memory_mb && free >= memory_mb)
        else {
            continue;
        };
        *left -= memory_mb;
        homes.push(home);
        put(&mut random, &mut hosts, &mut servers, on, memory_mb);
    }
    for server in &mut servers {
        // Ends on most streams, so that there is a way more often than not.
        let dirty = server.dirty_bytes_per_second;
        server.dirty_bytes_per_second = dirty.map(|it| it.min(200_000_000));
        server.need.local_disks = random.u8(0..4) == 0;
        server.need.room.disk_gb = 1;
        server.disk_bytes = random.u64(1..40) << 30;
    }
    let apart = !drain && random.bool();
    let mut groups = Vec::new();
    if let Some(id) = "66666666-0000-4000-8000-000000000000"
        .parse()
        .ok()
        .filter(|_| apart)
    {
        for server in servers.iter_mut().take(2) {
            server.group = Some(GroupNo::new(0));
        }
        groups.push(Group {
            id,
            name: "apart".to_owned(),
            policy: Policy::AntiAffinity,
            max_server_per_host: None,
        });
    }
    let movers = homes.into_iter().enumerate().map(|(server, home)| Mover {
        server: ServerNo::new(server),
        home: (!drain).then(|| HostNo::new(home)),
    });
    let movers = movers.collect();
    Ok((Fleet::new(hosts, servers, groups)?, movers))
}
