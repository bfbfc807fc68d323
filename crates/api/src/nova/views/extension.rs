//! The extensions that the API once consisted of. Nova lists all of them for ever, whatever it
//! serves, and clients look for names in the list before they ask.

use std::sync::LazyLock;

use serde::Serialize;

use crate::nova::root::Root;

/// An alias, a name and a description each, by alias.
const LIST: &str = include_str!("extensions.json");

/// The one that is listed for clients of the legacy root alone.
const LEGACY: [&str; 3] = [
    "OS-EXT-VIF-NET",
    "ExtendedVIFNet",
    "Adds network id parameter to the virtual interface list.",
];

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExtensionView {
    alias: String,
    description: String,
    links: [(); 0],
    name: String,
    namespace: &'static str,
    updated: &'static str,
}

impl ExtensionView {
    fn new([alias, name, description]: [String; 3]) -> Self {
        Self {
            alias,
            description,
            links: [],
            name,
            namespace: "http://docs.openstack.org/compute/ext/fake_xml",
            updated: "2014-12-03T00:00:00Z",
        }
    }

    /// All of them, by alias.
    pub fn list(root: Root) -> Vec<&'static Self> {
        static ALL: LazyLock<Vec<ExtensionView>> = LazyLock::new(|| {
            let mut all: Vec<[String; 3]> =
                serde_json::from_str(LIST).expect("a test reads the list");
            all.push(LEGACY.map(str::to_owned));
            all.sort_unstable();
            all.into_iter().map(ExtensionView::new).collect()
        });
        let listed = ALL.iter().filter(|it| match root {
            Root::Legacy => true,
            Root::Current => it.alias != LEGACY[0],
        });
        listed.collect()
    }

    pub fn find(root: Root, alias: &str) -> Option<&'static Self> {
        Self::list(root).into_iter().find(|it| it.alias == alias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legacy_root_lists_one_more() {
        let [legacy, current] = [Root::Legacy, Root::Current].map(ExtensionView::list);
        assert_eq!((legacy.len(), current.len()), (100, 99));
        assert!(ExtensionView::find(Root::Current, LEGACY[0]).is_none());
        assert!(legacy.windows(2).all(|pair| pair[0].alias < pair[1].alias));
    }
}
