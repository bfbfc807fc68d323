//! Names of servers, which people use, and UUIDs, which the API does.

use std::collections::BTreeMap;

use godwit_core::ids::ServerUuid;
use serde_json::Value;

use super::api::Api;
use super::failure::Failure;

/// Servers whose names are asked for at most; others are shown by their UUIDs.
const MOST: usize = 200;

/// Servers of one name that an error lists.
const LISTED: usize = 10;

/// The UUID of a server that somebody named.
pub(super) async fn server(api: &Api, named: &str) -> Result<String, Failure> {
    if let Ok(uuid) = named.parse::<ServerUuid>() {
        return Ok(uuid.to_string());
    }
    let known = match api.nova_servers(named).await? {
        Some(known) => known,
        None => {
            let list = api
                .list(&["servers"], &[("fields", "id,name,project")])
                .await?;
            list["items"].as_array().cloned().unwrap_or_default()
        }
    };
    only(named, &known)
}

fn only(named: &str, known: &[Value]) -> Result<String, Failure> {
    let found: Vec<&Value> = known.iter().filter(|it| it["name"] == named).collect();
    match found.as_slice() {
        [] => Err(Failure::Name(format!(
            "there is no server {named:?} that you may know of"
        ))),
        [server] => Ok(server["id"].as_str().unwrap_or_default().to_owned()),
        many => {
            let ids = many.iter().filter_map(|it| it["id"].as_str());
            let ids: Vec<&str> = ids.take(LISTED).collect();
            let text = format!(
                "{} servers are called {named:?}; name one by its UUID:\n  ",
                many.len()
            );
            Err(Failure::Name(text + &ids.join("\n  ")))
        }
    }
}

/// UUIDs of servers, again.
pub(super) async fn servers(api: &Api, named: &[String]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::with_capacity(named.len());
    for name in named {
        found.push(server(api, name).await?);
    }
    Ok(found)
}

/// How people call servers.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, Option<String>>);

impl Names {
    /// Finds out how these are called, as far as that is to be known.
    pub(super) async fn learn(&mut self, api: &Api, ids: impl IntoIterator<Item = &str>) {
        for id in ids {
            if self.0.contains_key(id) || self.0.len() >= MOST {
                continue;
            }
            let found = api.get(&["servers", id], &[("fields", "name")]).await;
            let name = found
                .ok()
                .and_then(|it| it["name"].as_str().map(str::to_owned));
            self.0.insert(id.to_owned(), name);
        }
    }

    pub(super) fn of<'a>(&'a self, id: &'a str) -> &'a str {
        let known = self.0.get(id).and_then(Option::as_deref);
        known.unwrap_or(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_has_to_be_of_one_server() {
        let known = [
            json!({"id": "1", "name": "a"}),
            json!({"id": "2", "name": "b"}),
            json!({"id": "3", "name": "b"}),
            json!({"id": "4", "name": "bb"}),
        ];
        assert_eq!(only("a", &known).unwrap(), "1");
        let many = only("b", &known).unwrap_err().to_string();
        assert!(
            many.starts_with("2 servers") && many.ends_with("2\n  3"),
            "{many}"
        );
        only("c", &known).unwrap_err();
    }
}
