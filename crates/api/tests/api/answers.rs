//! Requests, answers, and what tests look at in them.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::world::{Who, World};

/// A request to be sent.
pub(crate) struct Ask<'a> {
    world: &'a World,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(world: &'a World, method: &str, path: &str) -> Self {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (path, headers) = (path.to_owned(), HeaderMap::new());
        Self {
            world,
            method,
            path,
            headers,
            body: None,
        }
    }

    pub(crate) fn by(self, who: Who) -> Self {
        let token = self.world.token(who);
        self.header("X-Auth-Token", &token)
    }

    pub(crate) fn version(self, minor: u32) -> Self {
        self.header("OpenStack-API-Version", &format!("compute 2.{minor}"))
    }

    /// Adds a header; one more where there is one already.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers
            .append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let url = format!("http://{}{}", self.world.address, self.path);
        let mut request = self
            .world
            .client()
            .request(self.method, url)
            .headers(self.headers);
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer {
            status,
            headers,
            text,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The document of a 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// A 202 has no body.
    #[track_caller]
    pub(crate) fn accepted(&self) {
        assert_eq!((self.status, self.text.as_str()), (202, ""), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
    }

    /// A fault of this name and code; its text.
    #[track_caller]
    pub(crate) fn fault(&self, code: u16, name: &str) -> String {
        assert_eq!(self.status, code, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=UTF-8")
        );
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        assert_eq!(body[name]["code"], code, "{body}");
        body[name]["message"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn bad_request(&self) -> String {
        self.fault(400, "badRequest")
    }

    #[track_caller]
    pub(crate) fn not_found(&self) -> String {
        self.fault(404, "itemNotFound")
    }

    #[track_caller]
    pub(crate) fn conflict(&self) -> String {
        self.fault(409, "conflictingRequest")
    }

    /// A refusal by policy; the rule.
    #[track_caller]
    pub(crate) fn forbidden(&self) -> String {
        let text = self.fault(403, "forbidden");
        let rule = text
            .strip_prefix("Policy doesn't allow os_compute_api:")
            .and_then(|rest| rest.strip_suffix(" to be performed."));
        rule.unwrap_or_else(|| panic!("{text}")).to_owned()
    }
}
