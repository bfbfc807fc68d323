//! Is libvirt's lock manager really on?
//!
//! Whether a lease guards a disk is decided by libvirt's configuration alone, and a guest that
//! was started without one stays without one. So an agent that is told to rely on leases refuses
//! to serve until libvirt is told so too.

use std::fs;

use super::config::{LibvirtConfig, Unfit};

/// Compares what the agent is told with what libvirt is told.
pub(super) fn verify(config: &LibvirtConfig) -> Result<(), Unfit> {
    let Some(wanted) = config.lock_manager.as_str() else {
        return Ok(());
    };
    let path = &config.qemu_conf;
    let text = fs::read_to_string(path).map_err(|source| Unfit::QemuConfUnreadable {
        wanted,
        path: path.clone(),
        source,
    })?;
    let found = setting(&text, "lock_manager");
    if found.as_deref() == Some(wanted) {
        return Ok(());
    }
    Err(Unfit::LockManager {
        wanted,
        found,
        path: path.clone(),
    })
}

/// The last value that a file in libvirt's own format gives `name`: `name = "value"`, `#` begins
/// a comment.
fn setting(text: &str, name: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?.trim_start();
        let value = rest.strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let value = value.strip_prefix(quote)?;
        Some(value.split_once(quote)?.0.to_owned())
    });
    values.next_back()
}

#[cfg(test)]
mod tests {
    use super::super::config::LockManager;
    use super::*;

    #[test]
    fn a_setting_is_found_among_comments() {
        let text = "# lock_manager = \"sanlock\"\nlock_manager_x = \"no\"\n  \
                    lock_manager = \"lockd\" # leases\n";
        assert_eq!(setting(text, "lock_manager").as_deref(), Some("lockd"));
        assert_eq!(setting("#lock_manager = \"lockd\"", "lock_manager"), None);
        assert_eq!(setting("lock_manager = lockd", "lock_manager"), None);
    }

    #[test]
    fn an_agent_without_its_lock_manager_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = LibvirtConfig {
            qemu_conf: directory.path().join("qemu.conf"),
            ..LibvirtConfig::default()
        };
        verify(&config).unwrap();

        config.lock_manager = LockManager::Lockd;
        let unreadable = verify(&config).unwrap_err();
        assert!(matches!(unreadable, Unfit::QemuConfUnreadable { .. }));

        fs::write(&config.qemu_conf, "lock_manager = \"sanlock\"\n").unwrap();
        let other = verify(&config).unwrap_err();
        assert!(other.to_string().contains("sanlock"), "{other}");

        fs::write(&config.qemu_conf, "lock_manager = \"lockd\"\n").unwrap();
        verify(&config).unwrap();
    }
}
