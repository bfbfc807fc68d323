//! What hypervisors can do, by the type that they report.

/// Those whose guests cannot be moved while they run, as Nova's matrix of features has it.
const STAND_STILL: &[&str] = &["LXC", "UML", "OpenVZ", "Virtuozzo", "bhyve", "ironic"];

/// Do hypervisors of this type move guests that run? Of a type that nobody knows, its agent says.
pub fn moves_live(hypervisor_type: &str) -> bool {
    let mut known = STAND_STILL.iter();
    !known.any(|it| it.eq_ignore_ascii_case(hypervisor_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_not_moved_live_whatever_their_case() {
        assert!(
            ["QEMU", "KVM", "Xen", "fake", ""]
                .into_iter()
                .all(moves_live)
        );
        assert!(!["LXC", "lxc", "uml"].into_iter().any(moves_live));
    }
}
