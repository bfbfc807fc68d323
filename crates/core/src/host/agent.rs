//! Which agents are still understood, by the version of the protocol that they speak.

/// The oldest version, as major and minor. A test of the protocol compares it.
pub const OLDEST: (u64, u64) = (2, 0);

/// Is this version older than any that is understood? One that is none says nothing.
pub fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u64>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST,
        _ => false,
    }
}

/// [`OLDEST`] as agents write it.
pub fn oldest() -> String {
    let (major, minor) = OLDEST;
    format!("{major}.{minor}.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_the_oldest_is_too_old() {
        assert!(["1.9.0", "0.1", "1.0.0-rc.1"].into_iter().all(is_too_old));
        let fine = ["2.0.0", "2.1.0", "3.0.0", "", "next", "2"];
        assert!(!fine.into_iter().any(is_too_old));
        assert!(!is_too_old(&oldest()));
    }
}
