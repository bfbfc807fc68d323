//! Routes as data, and which of them a request takes.

use std::collections::BTreeMap;

use actix_web::http::Method;
use matchit::Params;

/// A method on a path, and the policy rules of what is done there. Who does it stands beside the
/// route in an API's table, so whoever looks at a route need not know.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// Below the API's root, with ids as `{name}`.
    pub path: &'static str,
    /// The policy rules that decide whether it is granted; the one that is asked of everybody
    /// stands first. Empty: it is for everybody with a token.
    pub rules: &'static [&'static str],
    /// The policy rules that only change what the answer shows.
    pub soft_rules: &'static [&'static str],
}

impl Route {
    /// Every policy rule that its handler may ask.
    pub fn all_rules(&self) -> impl Iterator<Item = &'static str> {
        self.rules.iter().chain(self.soft_rules).copied()
    }
}

/// An async function, as a table holds it.
macro_rules! to {
    ($handler:expr) => {
        |call| Box::pin($handler(call))
    };
}
pub(crate) use to;

/// Finds what a table says of a method and a path; of one of them it may say several things.
pub(crate) struct Router<T>(matchit::Router<Vec<(&'static Method, Vec<T>)>>);

impl<T> Router<T> {
    pub(crate) fn new(rows: impl IntoIterator<Item = (&'static Route, T)>) -> Self {
        let mut paths: BTreeMap<_, Vec<(&Method, Vec<_>)>> = BTreeMap::new();
        for (route, row) in rows {
            let methods = paths.entry(route.path).or_default();
            match methods.iter_mut().find(|(it, _)| **it == route.method) {
                Some((_, rows)) => rows.push(row),
                None => methods.push((&route.method, vec![row])),
            }
        }
        let mut router = matchit::Router::new();
        for (path, methods) in paths {
            router
                .insert(path, methods)
                .expect("a test inserts every path of the table");
        }
        Self(router)
    }

    /// The rows of a path below the API's root, and the ids in it.
    pub(crate) fn find<'a, 'p>(
        &'a self,
        method: &Method,
        path: &'p str,
    ) -> Option<(&'a [T], Params<'a, 'p>)> {
        let found = self.0.at(path).ok()?;
        let (_, rows) = found.value.iter().find(|(it, _)| *it == method)?;
        Some((rows, found.params))
    }

    /// The methods on a path below the API's root; empty where there is no such path.
    pub(crate) fn methods(&self, path: &str) -> Vec<&Method> {
        let found = self.0.at(path).map(|found| found.value);
        let methods = found.into_iter().flatten();
        methods.map(|(method, _)| *method).collect()
    }
}
