//! Links as version documents, resources and pages carry them (`contract: http.md §2, §11`).

use std::fmt;

use godwit_core::ids::ServerUuid;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};

use crate::http::links::Base;
use crate::http::query::Query;
use crate::nova::root::Root;

/// Where the resources of an answer are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Links {
    base: Base,
    root: Root,
    /// Part of links only where the caller's project occurs in the request's URL.
    project: Option<String>,
}

impl Links {
    /// The links of an answer to a request for `path` and `query`, made in `project`. What is
    /// no longer in the query was never asked.
    pub fn new(base: Base, root: Root, path: &str, query: &Query, project: Option<&str>) -> Self {
        let says = |project: &str| {
            let mut pairs = query.pairs();
            path.contains(project)
                || pairs.any(|(name, value)| name.contains(project) || value.contains(project))
        };
        let named = project.filter(|project| !project.is_empty() && says(project));
        Self {
            base,
            root,
            project: named.map(str::to_owned),
        }
    }

    /// What goes before every version.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The version that the request was made below.
    pub fn root(&self) -> Root {
        self.root
    }

    /// `http://H/v2.1/{project?}/{to}`.
    pub fn to<'a>(&'a self, to: To<'a>) -> Href<'a> {
        Href {
            links: self,
            versioned: true,
            to,
        }
    }

    /// `http://H/{project?}/{to}`: the same without the version.
    pub fn bookmark<'a>(&'a self, to: To<'a>) -> Href<'a> {
        Href {
            links: self,
            versioned: false,
            to,
        }
    }

    /// Both, as most resources have them.
    pub fn pair<'a>(&'a self, to: To<'a>) -> [Link<'a>; 2] {
        let own = Link {
            rel: "self",
            href: self.to(to),
        };
        [own, self.bookmark_link(to)]
    }

    /// The bookmark alone, as a resource's parts have it.
    pub fn bookmark_link<'a>(&'a self, to: To<'a>) -> Link<'a> {
        Link {
            rel: "bookmark",
            href: self.bookmark(to),
        }
    }

    /// The link to the page that follows `last`.
    pub fn next(&self, collection: &str, query: &Query, last: &str) -> [NextLink; 1] {
        let href = self.to(To::Collection(collection));
        [NextLink {
            rel: "next",
            href: format!("{href}?{}", continued(query, last)),
        }]
    }
}

/// The original parameters sorted by name, the last of each, with another marker.
fn continued(query: &Query, marker: &str) -> String {
    let mut pairs: Vec<_> = query.pairs().collect();
    pairs.sort_unstable();
    let mut once: Vec<(&str, &str)> = Vec::with_capacity(pairs.len() + 1);
    for (name, value) in pairs {
        match once.last_mut().filter(|(last, _)| *last == name) {
            Some(last) => last.1 = value,
            None => once.push((name, value)),
        }
    }
    match once.iter_mut().find(|(name, _)| *name == "marker") {
        Some(pair) => pair.1 = marker,
        None => once.push(("marker", marker)),
    }
    let encoded = once
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    encoded.collect::<Vec<_>>().join("&")
}

/// A name or value as Python writes it into a query.
fn encoded(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'_')
        .remove(b'.')
        .remove(b'-')
        .remove(b'~')
        .remove(b' ');
    utf8_percent_encode(text, ESCAPED)
        .to_string()
        .replace(' ', "+")
}

#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// A list, such as `os-migrations`.
    Collection(&'a str),
    Server(ServerUuid),
    /// A live migration in progress, by its integer id.
    ServerMigration(ServerUuid, i64),
    Flavor(&'a str),
    Image(&'a str),
}

impl fmt::Display for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collection(path) => f.write_str(path),
            Self::Server(server) => {
                f.write_str("servers/")?;
                server.fmt(f)
            }
            Self::ServerMigration(server, id) => write!(f, "servers/{server}/migrations/{id}"),
            Self::Flavor(id) => write!(f, "flavors/{id}"),
            Self::Image(id) => write!(f, "images/{id}"),
        }
    }
}

/// A link's target, written where it is needed.
#[derive(Clone, Copy, Debug)]
pub struct Href<'a> {
    links: &'a Links,
    versioned: bool,
    to: To<'a>,
}

impl fmt::Display for Href<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.links.base.fmt(f)?;
        let version = self.versioned.then(|| self.links.root.segment());
        for part in version.into_iter().chain(self.links.project.as_deref()) {
            f.write_str("/")?;
            f.write_str(part)?;
        }
        f.write_str("/")?;
        self.to.fmt(f)
    }
}

impl Serialize for Href<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Link<'a> {
    rel: &'static str,
    href: Href<'a>,
}

/// The link from a page to the next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NextLink {
    rel: &'static str,
    href: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(query: &str) -> String {
        let query = Query::parse(query).unwrap();
        let links = Links::new(Base::new("http://H"), Root::Current, "/", &query, None);
        let [link] = links.next("os-migrations", &query, "M");
        link.href
    }

    #[test]
    fn a_page_repeats_the_query_of_the_last() {
        for (query, expected) in [
            ("limit=3", "limit=3&marker=M"),
            (
                "changes-since=2026-11-14T18:00:00&limit=2",
                "changes-since=2026-11-14T18%3A00%3A00&limit=2&marker=M",
            ),
            (
                "limit=2&migration_type=t&status=r&marker=old",
                "limit=2&marker=M&migration_type=t&status=r",
            ),
            ("status=b&status=a&limit=1", "limit=1&status=b&marker=M"),
            ("a=x+y%26", "a=x+y%26&marker=M"),
            ("a=.*~%C3%A4_-", "a=.%2A~%C3%A4_-&marker=M"),
        ] {
            assert_eq!(
                next(query),
                format!("http://H/v2.1/os-migrations?{expected}")
            );
        }
    }

    #[test]
    fn the_project_shows_where_the_url_names_it() {
        let links = |url: &str| {
            let (path, query) = url.split_once('?').unwrap_or((url, ""));
            let query = Query::parse(query).unwrap();
            let base = Base::new("http://H");
            let links = Links::new(base, Root::Current, path, &query, Some("abc"));
            links.to(To::Flavor("1")).to_string()
        };
        assert_eq!(links("/v2.1/servers"), "http://H/v2.1/flavors/1");
        assert_eq!(links("/v2.1/abc/servers"), "http://H/v2.1/abc/flavors/1");
        assert_eq!(
            links("/v2.1/servers?project_id=abc"),
            "http://H/v2.1/abc/flavors/1"
        );
    }
}
