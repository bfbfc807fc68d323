//! Asking `/relocation/v1`.

use std::sync::{Mutex, PoisonError};

use reqwest::{Client, Method, Response, StatusCode, Url, header};
use serde_json::{Value, json};

use super::clouds::{self, Cloud, Surroundings};
use super::failure::{Failure, Problem};
use super::identity::{self, Grant};
use crate::cli::access::Access;

/// How often a request is sent at most whose answer does not arrive. Its key makes that one request.
const ATTEMPTS: usize = 3;

/// Pages of a list that are read at most.
const PAGES: usize = 1_000;

/// The longest page, by the API.
const PAGE: usize = 1_000;

/// The API, as the one who has logged in sees it.
pub(super) struct Api {
    http: Client,
    cloud: Cloud,
    grant: Mutex<Grant>,
}

/// What was answered.
pub(super) struct Answer {
    /// `null` where there is none.
    pub(super) document: Value,
    /// The last part of where the answer leads.
    pub(super) location: Option<String>,
}

/// What is asked, but for who asks.
struct Asked<'a> {
    method: Method,
    address: Url,
    body: Option<&'a Value>,
}

impl Api {
    pub(super) async fn log_in(access: &Access) -> Result<Self, Failure> {
        let cloud = clouds::find(access, &Surroundings::of_process())?;
        let http = identity::http_client(&cloud)?;
        let grant = identity::log_in(&http, &cloud).await?;
        Ok(Self {
            http,
            cloud,
            grant: Mutex::new(grant),
        })
    }

    fn grant(&self) -> Grant {
        self.grant
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The address of something, by the parts of its path.
    fn address(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        below(self.grant().relocation, path, query)
    }

    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let answer = self
            .ask(Method::GET, self.address(path, query), None)
            .await?;
        Ok(answer.document)
    }

    pub(super) async fn post(&self, path: &[&str], body: &Value) -> Result<Answer, Failure> {
        self.ask(Method::POST, self.address(path, &[]), Some(body))
            .await
    }

    pub(super) async fn delete(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        self.ask(Method::DELETE, self.address(path, query), None)
            .await
    }

    /// A whole list, as if it were one page.
    pub(super) async fn list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        self.first_of_list(path, query, usize::MAX).await
    }

    /// The first `most` items of a list, as if they were one page: the API may end pages before.
    pub(super) async fn first_of_list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        most: usize,
    ) -> Result<Value, Failure> {
        let first = self.address(path, query);
        let mut address = first.clone();
        let limit = most.min(PAGE).to_string();
        address.query_pairs_mut().append_pair("limit", &limit);
        let mut items = Vec::new();
        for _ in 0..PAGES {
            let mut page = self.ask(Method::GET, address.clone(), None).await?.document;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            let next = page["next"].as_str().filter(|_| items.len() < most);
            let Some(next) = next.and_then(|it| first.join(it).ok()) else {
                items.truncate(most);
                return Ok(json!({ "items": items, "next": null, "total": page["total"] }));
            };
            // Only what it asks for: the token goes nowhere else.
            address.set_query(next.query());
        }
        Err(Failure::garbled(&first, "the list has no end"))
    }

    /// Servers that Nova finds by a name; `None`: there is no Nova to ask.
    pub(super) async fn nova_servers(&self, name: &str) -> Result<Option<Vec<Value>>, Failure> {
        let Some(compute) = self.grant().compute else {
            return Ok(None);
        };
        let pattern = format!("^{}$", escaped(name));
        let of = |more: &[(&str, &str)]| {
            let mut query = vec![("name", pattern.as_str())];
            query.extend(more);
            below(compute.clone(), &["servers"], &query)
        };
        let mut found = self
            .ask(Method::GET, of(&[("all_tenants", "1")]), None)
            .await;
        if found.as_ref().is_err_and(Failure::is_forbidden) {
            found = self.ask(Method::GET, of(&[]), None).await;
        }
        let mut document = found?.document;
        Ok(match document["servers"].take() {
            Value::Array(servers) => Some(servers),
            _ => None,
        })
    }

    /// A stream of events, from behind the one that was seen last.
    pub(super) async fn stream(
        &self,
        query: &[(&str, &str)],
        seen: Option<&str>,
    ) -> Result<Response, Failure> {
        let address = self.address(&["events"], query);
        let asked = Asked {
            method: Method::GET,
            address,
            body: None,
        };
        let headers = [
            ("accept", Some("text/event-stream")),
            ("last-event-id", seen),
        ];
        self.granted(&asked, &headers).await
    }

    async fn ask(
        &self,
        method: Method,
        address: Url,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let asked = Asked {
            method,
            address,
            body,
        };
        let key = format!("{:032x}", rand::random::<u128>());
        let changes = asked.method != Method::GET;
        let headers = [
            ("accept", Some("application/json")),
            ("idempotency-key", Some(&*key)),
        ];
        let headers = if changes { &headers[..] } else { &headers[..1] };
        let mut attempt = 1;
        let response = loop {
            match self.granted(&asked, headers).await {
                Err(Failure::Unreachable { .. }) if attempt < ATTEMPTS => attempt += 1,
                response => break response?,
            }
        };
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|it| it.to_str().ok()).and_then(last_part);
        let text = response.bytes().await;
        let text = text.map_err(|error| Failure::unreachable(&asked.address, error))?;
        let document = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&text)
                .map_err(|error| Failure::garbled(&asked.address, error))?,
        };
        Ok(Answer { document, location })
    }

    /// A good answer. Who is not known any more logs in again, once.
    async fn granted(
        &self,
        asked: &Asked<'_>,
        headers: &[(&'static str, Option<&str>)],
    ) -> Result<Response, Failure> {
        let mut response = self.send(asked, headers).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Ok(grant) = identity::log_in(&self.http, &self.cloud).await
        {
            *self.grant.lock().unwrap_or_else(PoisonError::into_inner) = grant;
            response = self.send(asked, headers).await?;
        }
        match response.status().is_success() {
            true => Ok(response),
            false => Err(problem(response, &asked.address).await),
        }
    }

    async fn send(
        &self,
        asked: &Asked<'_>,
        headers: &[(&'static str, Option<&str>)],
    ) -> Result<Response, Failure> {
        let mut request = self
            .http
            .request(asked.method.clone(), asked.address.clone());
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(*name, *value);
            }
        }
        let mut token = header::HeaderValue::from_str(&self.grant().token.0)
            .map_err(|_| Failure::Access("the token cannot be sent".to_owned()))?;
        token.set_sensitive(true);
        request = request.header("x-auth-token", token);
        if let Some(body) = asked.body {
            request = request.json(body);
        }
        let response = request.send().await;
        response.map_err(|error| Failure::unreachable(&asked.address, error))
    }
}

async fn problem(response: Response, address: &Url) -> Failure {
    let status = response.status();
    let text = response.bytes().await.unwrap_or_default();
    let problem: Option<Problem> = serde_json::from_slice(&text).ok();
    let known = problem.filter(|it| !it.title.is_empty());
    Failure::from(Box::new(known.unwrap_or_else(|| Problem {
        title: format!("{} answers", address.origin().ascii_serialization()),
        detail: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        ..Problem::default()
    })))
}

fn below(mut base: Url, path: &[&str], query: &[(&str, &str)]) -> Url {
    if let Ok(mut segments) = base.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    if !query.is_empty() {
        base.query_pairs_mut().extend_pairs(query);
    }
    base
}

fn last_part(location: &str) -> Option<String> {
    let last = location.trim_end_matches('/').rsplit('/').next()?;
    Some(last.to_owned())
}

/// A name as a regular expression that matches it alone.
fn escaped(name: &str) -> String {
    let special = |letter: char| letter.is_ascii_punctuation() && !matches!(letter, '-' | '_');
    name.chars().fold(String::new(), |mut text, letter| {
        if special(letter) {
            text.push('\\');
        }
        text.push(letter);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_made_of_parts_that_stay_parts() {
        let base = Url::parse("http://h/relocation/v1/").unwrap();
        let address = below(base, &["hosts", "a/b", "maintenance"], &[("x", "1&2")]);
        assert_eq!(
            address.as_str(),
            "http://h/relocation/v1/hosts/a%2Fb/maintenance?x=1%262"
        );
    }

    #[test]
    fn where_an_answer_leads_is_its_last_part() {
        assert_eq!(
            last_part("http://h/relocation/v1/runs/7"),
            Some("7".to_owned())
        );
    }

    #[test]
    fn a_name_matches_itself_alone() {
        assert_eq!(escaped("vm-1.a_b"), r"vm-1\.a_b");
    }
}
