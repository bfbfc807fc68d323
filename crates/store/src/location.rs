//! Database URLs: the scheme decides the backend, nothing is guessed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::OpenError;

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file.
    Sqlite(PathBuf),
    /// A libpq connection URI. May hold a password.
    Postgres(String),
}

impl Location {
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        let refuse = |why: String| {
            Err(OpenError::Url(format!(
                "{why}; a database URL is sqlite:///absolute/path, sqlite:relative/path, \
                 or postgres://USER@HOST/DATABASE"
            )))
        };
        if url.contains('\0') {
            return refuse("the database URL holds a NUL".to_owned());
        }
        match url.split_once(':') {
            Some(("sqlite", rest)) => {
                let path = match rest.strip_prefix("//") {
                    Some(path) if path.starts_with('/') => path,
                    Some(_) => return refuse("an sqlite URL names no host".to_owned()),
                    None => rest,
                };
                if path.is_empty() || path.ends_with('/') {
                    return refuse("the sqlite URL names no file".to_owned());
                }
                if path == ":memory:" {
                    return refuse("a database in memory is not durable".to_owned());
                }
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(url.to_owned()))
            }
            Some((scheme, rest)) if rest.starts_with("//") => {
                refuse(format!("{scheme}:// is no database Godwit knows"))
            }
            _ if url.contains('=') => {
                refuse("this looks like a list of connection parameters, not a URL".to_owned())
            }
            _ => refuse("the database URL has no scheme".to_owned()),
        }
    }

    /// What SQLite is given: never something that it would read as a URI of its own.
    pub(crate) fn sqlite_argument(path: &std::path::Path) -> String {
        let text = path.to_string_lossy();
        if path.is_absolute() {
            text.into_owned()
        } else {
            format!("./{text}")
        }
    }

    /// What libpq is given: the URL, and what must not be waited for without end.
    ///
    /// `tcp_user_timeout` ends a connection whose server fell silent without a word, which is
    /// otherwise found out after many minutes. What the URL says itself has precedence.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code))]
    pub(crate) fn postgres_argument(url: &str, connect_timeout: Duration) -> String {
        let mut argument = url.to_owned();
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let given: Vec<&str> = query
            .split('&')
            .filter_map(|pair| pair.split_once('=').map(|(key, _)| key))
            .collect();
        let mut separator = if url.contains('?') { '&' } else { '?' };
        let seconds = connect_timeout.as_secs().max(1);
        for (key, value) in [
            ("connect_timeout", seconds.to_string()),
            ("tcp_user_timeout", (seconds * 4 * 1000).to_string()),
            ("application_name", "godwit".to_owned()),
        ] {
            if !given.contains(&key) {
                argument.push(separator);
                argument.push_str(key);
                argument.push('=');
                argument.push_str(&value);
                separator = '&';
            }
        }
        argument
    }

    /// Takes the password out of a message, should a library have quoted the URL.
    pub(crate) fn redact(&self, message: &str) -> String {
        match self {
            Self::Sqlite(_) => message.to_owned(),
            Self::Postgres(url) => password(url)
                .filter(|password| !password.is_empty())
                .map_or_else(
                    || message.to_owned(),
                    |password| message.replace(password, "***"),
                ),
        }
    }
}

/// Who may connect, and what follows: `USER[:PASSWORD]@REST`. A password may itself hold an
/// `@` that somebody forgot to escape, so the last one counts.
fn authority(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("//")?;
    rest.rsplit_once('@')
}

fn password(url: &str) -> Option<&str> {
    let (user, _) = authority(url)?;
    user.split_once(':').map(|(_, password)| password)
}

impl fmt::Display for Location {
    /// Without the user, the password, and parameters, one of which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let (scheme, rest) = url.split_once("//").unwrap_or(("postgres:", url));
                let host = authority(url).map_or(rest, |(_, host)| host);
                let host = host.split('?').next().unwrap_or_default();
                write!(f, "{scheme}//{host}")
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Location::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn the_scheme_decides() {
        let sqlite = |path: &str| Location::Sqlite(path.into());
        assert_eq!(
            Location::parse("sqlite:///a b/c%20.db").unwrap(),
            sqlite("/a b/c%20.db")
        );
        assert_eq!(Location::parse("sqlite:a.db").unwrap(), sqlite("a.db"));
        assert_eq!(Location::parse("sqlite:/a.db").unwrap(), sqlite("/a.db"));
        for url in ["postgres://h/d", "postgresql:///d?host=/run"] {
            assert_eq!(
                Location::parse(url).unwrap(),
                Location::Postgres(url.to_owned())
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_cause() {
        assert!(refusal("host=h dbname=d").contains("connection parameters"));
        assert!(refusal("http://h/d").contains("http:// is no database"));
        assert!(refusal("mysql://h/d").contains("mysql:// is no database"));
        assert!(refusal("/var/lib/godwit.db").contains("no scheme"));
        assert!(refusal("").contains("no scheme"));
        assert!(refusal("sqlite://dir/a.db").contains("names no host"));
        assert!(refusal("sqlite:").contains("names no file"));
        assert!(refusal("sqlite::memory:").contains("not durable"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let location = Location::parse("postgres://u:s3c@ret@h:5432/d?password=x").unwrap();
        assert_eq!(
            format!("{location} {location:?}"),
            "postgres://h:5432/d postgres://h:5432/d"
        );
        assert_eq!(location.redact("bad port \"s3c@ret\""), "bad port \"***\"");
    }

    #[test]
    fn waits_are_bounded_unless_the_url_says_otherwise() {
        let five = Duration::from_secs(5);
        assert_eq!(
            Location::postgres_argument("postgres://h/d", five),
            "postgres://h/d?connect_timeout=5&tcp_user_timeout=20000&application_name=godwit"
        );
        assert_eq!(
            Location::postgres_argument("postgres://h/d?connect_timeout=9", five),
            "postgres://h/d?connect_timeout=9&tcp_user_timeout=20000&application_name=godwit"
        );
    }

    #[test]
    fn sqlite_never_sees_a_uri_of_its_own() {
        let path = std::path::Path::new("file:x?mode=memory");
        assert_eq!(Location::sqlite_argument(path), "./file:x?mode=memory");
    }
}
