//! An answer, recorded or fresh.

use serde::Deserialize;
use serde_json::Value;

/// What came back.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<String>,
}

impl Answer {
    pub(crate) fn new(status: u16, headers: Vec<(String, String)>, body: String) -> Self {
        let body = Some(body);
        Self {
            status,
            headers,
            body,
        }
    }

    /// All values of a header, each on its own: one line may hold several.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let mut values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .collect();
        values.sort_unstable();
        values
    }

    /// The body as text; empty if there is none.
    pub(crate) fn text(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    /// The body as a document, without what differs by nature; `None` if it is no JSON.
    pub(crate) fn document(&self) -> Option<Value> {
        let mut document = serde_json::from_str(self.text()).ok()?;
        forget_passwords(&mut document);
        Some(document)
    }
}

/// Passwords are made anew each time.
fn forget_passwords(document: &mut Value) {
    if let Some(password) = document.get_mut("adminPass")
        && let Some(text) = password.as_str()
    {
        *password = "*".repeat(text.len()).into();
    }
}
