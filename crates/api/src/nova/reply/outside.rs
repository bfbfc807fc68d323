//! Errors outside the fault format: what Nova's router and its size limiter answer, in whichever
//! of their forms the client likes best.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use serde_json::json;

use super::{JSON, Range, ranges};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");

/// The forms there are. Where two are liked equally, a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Page,
    Json,
    /// For whoever takes neither of the others, or says nothing.
    Text,
}

impl Form {
    fn liked_by(request: &HeaderMap) -> Self {
        let Some(ranges) = ranges(request) else {
            return Self::Page;
        };
        // The most exact range that a form is in decides.
        let weight = |names: [&str; 3]| {
            let mut named = names.into_iter().filter_map(|name| {
                let is_named =
                    |range: &&Range<'_>| !range.parameters && range.name.eq_ignore_ascii_case(name);
                ranges.iter().find(is_named)
            });
            named.next().map_or(0, |range| range.weight)
        };
        let page = weight(["text/html", "text/*", "*/*"]);
        let json = weight(["application/json", "application/*", "*/*"]);
        match (page, json) {
            (0, 0) => Self::Text,
            (page, json) if page >= json => Self::Page,
            _ => Self::Json,
        }
    }
}

/// The answer to `request`. One to HEAD has the type of a page, whatever the client likes.
pub(super) fn error(
    status: StatusCode,
    text: &str,
    request: &HeaderMap,
    head: bool,
) -> HttpResponse {
    let title = status.to_string();
    let message = format!("{text}<br /><br />\n\n\n");
    let form = match head {
        true => Form::Page,
        false => Form::liked_by(request),
    };
    let (media_type, body) = match form {
        Form::Page => (
            HTML,
            format!(
                "<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  \
                 <h1>{title}</h1>\n  {message}\n </body>\n</html>"
            ),
        ),
        Form::Json => {
            let reason = status.canonical_reason();
            let body = json!({ "message": message, "code": title, "title": reason });
            (JSON, body.to_string())
        }
        Form::Text => (TEXT, format!("{title}\n\n{text}\n\n   ")),
    };
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, media_type))
        .body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_liked_best_is_given() {
        use Form::{Json, Page, Text};
        for (accept, expected) in [
            ("", Text),
            ("*/*", Page),
            ("text/html", Page),
            ("TEXT/HTML", Page),
            ("application/json", Json),
            ("application/*", Json),
            ("application/json, text/html", Page),
            ("application/json;q=0.5, text/html;q=0.4", Json),
            ("text/html;q=0, */*", Json),
            ("application/xml, */*;q=0.1", Page),
            ("text/plain", Text),
            ("image/png", Text),
            ("application/json;q=0", Text),
            ("application/json;version=1", Text),
            ("text/html;level=1", Text),
            ("garbage", Page),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Form::liked_by(&headers), expected, "{accept:?}");
        }
        assert_eq!(Form::liked_by(&HeaderMap::new()), Text);
    }
}
