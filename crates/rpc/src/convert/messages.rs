//! The messages whose fields are those of a type of the domain.

use godwit_core::host::link::Link;
use godwit_core::server_group::DeclaredGroup;

use super::{Field, Native, Refusal, mirrored, proto};
use crate::command::{
    Boot, CheckBoot, CheckDestination, CheckSource, Command, Movable, Move, Power, Powered,
    Prepare, Rank, Receiver, RollBack, Start, Withdraw,
};
use crate::domain::{Backing, Disk, Domain, Flavor, Owner};
use crate::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
use crate::facts::{Capacity, Cpu, HostFacts, Inventory, Pool};
use crate::progress::{Amounts, Progress};

mirrored! {
    Move { migration, kind, server, source, destination, storage }
    Rank { sequence, epoch }
    Command { what, rank, request_id }
    CheckSource { migration, server, kind, block_migration, destination }
    Movable { guest, storage }
    CheckDestination { migration, guest, source, storage, disk_over_commit }
    CheckBoot { migration, server, definition }
    Prepare { command, guest }
    Receiver { target, pools }
    Start { command, receiver }
    RollBack { command, resume }
    Boot { command, definition, power_on }
    Withdraw { command, began_at }
    Power { server, action, rank, request_id }
    Powered { power_state, failure }

    Cpu { arch, model, vendor, features, definition }
    Capacity { vcpus, memory_bytes, disk_bytes, disk_free_bytes }
    Pool { id, capacity_bytes, free_bytes, kind, local }
    Link { name, role, bytes_per_second, stream_bytes_per_second }
    HostFacts {
        host, node, hypervisor_type, hypervisor_version, cpu, capacity, pools, address,
        links
    }
    Inventory { facts, domains, observed_at }

    Backing { path, format, fingerprint }
    Disk { target, path, pool, format, virtual_bytes, allocated_bytes, backing, read_only }
    Owner { user_id, project_id, user_name, project_name }
    Flavor { id, name, vcpus, memory_mb, root_gb, ephemeral_gb, swap_mb }
    DeclaredGroup { uuid, name, policy, max_server_per_host }
    Domain {
        server, domain_name, display_name, sighting, power_state, vcpus, memory_bytes, cpu, disks,
        owner, flavor, image_ref, definition, group
    }

    Amounts { total, processed, remaining }
    Progress { memory, disk, dirty_rate, throughput, downtime, iteration }

    Registration { agent_address, boot_id, inventory, rpc_version, capabilities, unsettled }
    Registered { unfinished, completed, heartbeat_interval }
    Heartbeat { host, boot_id, inventory }
    Heard { registered }
    Report { host, migration, sequence, ended, at }
}
