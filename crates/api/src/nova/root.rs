//! The roots below which the API is served, and which part of a path is whose.

/// The API itself, and its legacy mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// `/v2`: version 2.1 for clients that know no microversions.
    Legacy,
    /// `/v2.1`.
    Current,
}

impl Root {
    /// Both, oldest first.
    pub const ALL: [Self; 2] = [Self::Legacy, Self::Current];

    pub const fn segment(self) -> &'static str {
        match self {
            Self::Legacy => "v2",
            Self::Current => "v2.1",
        }
    }

    pub const fn id(self) -> &'static str {
        match self {
            Self::Legacy => "v2.0",
            Self::Current => "v2.1",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PathKind<'a> {
    Versions,
    VersionDocument(Root),
    /// Below a version; the rest begins with a slash.
    Resource(Root, &'a str),
    Other,
}

impl<'a> PathKind<'a> {
    /// What `path` leads to, whose repeated slashes are already one.
    pub(crate) fn of(path: &'a str) -> Self {
        if path.is_empty() || path == "/" {
            return Self::Versions;
        }
        let below = |root: Root| {
            let rest = path.strip_prefix('/')?.strip_prefix(root.segment())?;
            match rest {
                "" | "/" => Some(Self::VersionDocument(root)),
                rest if rest.starts_with('/') => Some(Self::Resource(root, rest)),
                _ => None,
            }
        };
        Root::ALL.into_iter().find_map(below).unwrap_or(Self::Other)
    }
}

/// Takes the project off the front of a path below a version. What looks like a project id is
/// one: no resource has a name of hexadecimal digits and dashes alone.
pub(crate) fn split_project(rest: &str) -> (Option<&str>, &str) {
    let path = rest.strip_prefix('/').unwrap_or(rest);
    let Some(end) = path.find('/') else {
        return (None, rest);
    };
    let (first, behind) = path.split_at(end);
    let hexadecimal = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    if first.is_empty() || !first.bytes().all(hexadecimal) {
        return (None, rest);
    }
    (Some(first), behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paths_lead_to() {
        use Root::{Current, Legacy};
        for (path, place) in [
            ("", PathKind::Versions),
            ("/", PathKind::Versions),
            ("/v2", PathKind::VersionDocument(Legacy)),
            ("/v2/", PathKind::VersionDocument(Legacy)),
            ("/v2.1", PathKind::VersionDocument(Current)),
            ("/v2.1/", PathKind::VersionDocument(Current)),
            ("/v2.1/servers", PathKind::Resource(Current, "/servers")),
            ("/v2/servers/", PathKind::Resource(Legacy, "/servers/")),
            ("/v2.10", PathKind::Other),
            ("/v3/", PathKind::Other),
            ("/V2.1/", PathKind::Other),
            ("/healthcheck", PathKind::Other),
        ] {
            assert_eq!(PathKind::of(path), place, "{path}");
        }
    }

    #[test]
    fn projects() {
        for (rest, expected) in [
            ("/servers", (None, "/servers")),
            ("/abc123/servers", (Some("abc123"), "/servers")),
            ("/abc123/", (Some("abc123"), "/")),
            ("/abc123", (None, "/abc123")),
            ("/ABC/servers", (None, "/ABC/servers")),
            ("/servers/abc", (None, "/servers/abc")),
            ("/0-f/servers/1", (Some("0-f"), "/servers/1")),
        ] {
            assert_eq!(split_project(rest), expected, "{rest}");
        }
    }
}
