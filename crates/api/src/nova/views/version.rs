//! The version documents (`contract: http.md §2`). Order of members as Nova's.

use serde::Serialize;

use crate::http::links::Base;
use crate::nova::microversion::Microversion;
use crate::nova::root::Root;

const fn status(root: Root) -> &'static str {
    match root {
        Root::Legacy => "DEPRECATED",
        Root::Current => "CURRENT",
    }
}

const fn updated(root: Root) -> &'static str {
    match root {
        Root::Legacy => "2025-07-04T12:00:00Z",
        Root::Current => "2013-07-23T11:33:21Z",
    }
}

fn versions(root: Root) -> (String, String) {
    match root {
        Root::Legacy => (String::new(), String::new()),
        Root::Current => (Microversion::MAX.to_string(), Microversion::MIN.to_string()),
    }
}

fn media_types(root: Root) -> [MediaType; 1] {
    let vendor = match root {
        Root::Legacy => "application/vnd.openstack.compute+json;version=2",
        Root::Current => "application/vnd.openstack.compute+json;version=2.1",
    };
    [MediaType {
        base: "application/json",
        media_type: vendor,
    }]
}

#[derive(Debug, Serialize)]
struct MediaType {
    base: &'static str,
    #[serde(rename = "type")]
    media_type: &'static str,
}

#[derive(Debug, Serialize)]
struct VersionLink {
    rel: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    media_type: Option<&'static str>,
    href: String,
}

impl VersionLink {
    fn own(href: String) -> Self {
        Self {
            rel: "self",
            media_type: None,
            href,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Version {
    id: &'static str,
    status: &'static str,
    version: String,
    min_version: String,
    updated: &'static str,
    links: Vec<VersionLink>,
    #[serde(rename = "media-types", skip_serializing_if = "Option::is_none")]
    media_types: Option<[MediaType; 1]>,
}

impl Version {
    fn new(root: Root, href: String) -> Self {
        let (version, min_version) = versions(root);
        Self {
            id: root.id(),
            status: status(root),
            version,
            min_version,
            updated: updated(root),
            links: vec![VersionLink::own(href)],
            media_types: None,
        }
    }

    /// As they are listed at `/`.
    pub fn list(base: &Base) -> Vec<Self> {
        let href = |root: Root| format!("{base}/{}/", root.segment());
        Root::ALL.map(|root| Self::new(root, href(root))).into()
    }

    /// The document of `root`, as served below `served_at`.
    pub fn document(root: Root, base: &Base, served_at: Root) -> Self {
        let mut version = Self::new(root, format!("{base}/{}/", served_at.segment()));
        version.links.push(VersionLink {
            rel: "describedby",
            media_type: Some("text/html"),
            href: "http://docs.openstack.org/".to_owned(),
        });
        version.media_types = Some(media_types(root));
        version
    }
}

#[derive(Debug, Serialize)]
struct Choice {
    id: &'static str,
    status: &'static str,
    links: [VersionLink; 1],
    #[serde(rename = "media-types")]
    media_types: [MediaType; 1],
}

/// `{"choices": […]}`, at every path without a version.
#[derive(Debug, Serialize)]
pub struct Choices {
    choices: Vec<Choice>,
}

impl Choices {
    /// Where `path` could have been meant.
    pub fn new(base: &Base, path: &str) -> Self {
        let path = path.trim_matches('/');
        let choice = |root: Root| Choice {
            id: root.id(),
            status: status(root),
            links: [VersionLink::own(format!(
                "{base}/{}/{path}",
                root.segment()
            ))],
            media_types: media_types(root),
        };
        Self {
            choices: Root::ALL.map(choice).into(),
        }
    }
}
