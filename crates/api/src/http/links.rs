//! What every absolute link of an answer begins with.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header;
use url::Url;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkRules {
    /// Replaces scheme and host of every link, and goes before its path.
    pub prefix: Option<Url>,
    /// A header, set by a proxy in front, that tells the scheme of the original request.
    pub scheme_header: Option<String>,
}

/// Scheme, host and perhaps a path: what goes before the path in every link of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base(String);

impl Base {
    pub fn of(request: &HttpRequest, rules: &LinkRules) -> Self {
        if let Some(prefix) = &rules.prefix {
            return Self(prefix.as_str().trim_end_matches('/').to_owned());
        }
        let header = |name: &str| request.headers().get(name)?.to_str().ok();
        let scheme = rules
            .scheme_header
            .as_deref()
            .and_then(header)
            .filter(|scheme| matches!(*scheme, "http" | "https"))
            .unwrap_or("http");
        let host = header(header::HOST.as_str())
            .filter(|host| !host.is_empty())
            .or_else(|| request.uri().authority().map(|host| host.as_str()))
            .unwrap_or_else(|| request.app_config().host());
        Self(format!("{scheme}://{host}"))
    }

    /// A base that is already a text, for documents made without a request.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
