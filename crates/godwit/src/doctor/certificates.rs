//! Who the roles are to each other.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use godwit_core::time::{Clock, Timestamp};
use godwit_rpc::transport::{TlsFiles, Transport};

use super::report::Report;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::roles::conductor::transport_of;

/// A certificate that ends within this is worth a word.
const SOON: Duration = Duration::from_secs(30 * 86_400);
const RENEW: &str = "docs/alerts/certificate-ends-soon.md says how it is renewed";

/// How a conductor with this file talks to others, if it can.
pub(super) fn of_conductor(config: &Config, report: &mut Report) -> Option<Transport> {
    let settings = &config.conductor;
    if settings.tls.is_none() && !settings.insecure_loopback {
        let text = "none, so there is no conductor here, and agents cannot be called";
        report.good("certificate of the conductor", text);
        return None;
    }
    let now = SystemClock.now();
    let made = transport_of(settings);
    look("conductor", made, settings.tls.as_ref(), now, report)
}

/// Looks at what a role proves by who it is.
pub(super) fn look(
    role: &str,
    made: Result<Transport>,
    files: Option<&TlsFiles>,
    now: Timestamp,
    report: &mut Report,
) -> Option<Transport> {
    let about = format!("certificate of the {role}");
    let transport = match made {
        Ok(transport) => transport,
        Err(error) => {
            let advice = "docs/operate.md says what a certificate has to be like";
            report.wrong(about, format!("{error:#}"), advice);
            return None;
        }
    };
    let (Some(tls), Some(files)) = (transport.tls(), files) else {
        report.odd(
            about,
            "there is none, and nobody proves who he is",
            "`insecure_loopback` is for development",
        );
        return Some(transport);
    };
    if let Err(error) = files.verify_at(now) {
        let text = format!("{:#}", anyhow::Error::from(error));
        report.wrong(about, text, RENEW);
        return Some(transport);
    }
    if is_for_all(&files.key) {
        report.wrong(
            &*about,
            format!("everybody on this machine may read {}", files.key.display()),
            "give it to the role's user alone, mode 0600, and have another made",
        );
    }
    let left = |end: i64| {
        let end = Timestamp::from_micros(end.saturating_mul(1_000_000));
        end.map_or(Duration::MAX, |end| end.since(now))
    };
    let ends = tls.ends();
    let (own, authority) = (left(ends.own), left(ends.authority));
    let days = |span: Duration| span.as_secs() / 86_400;
    let text = format!(
        "{} is good for {} days, its authority for {}",
        tls.identity(),
        days(own),
        days(authority)
    );
    if own.min(authority) < SOON {
        report.odd(about, text, RENEW);
    } else {
        report.good(about, text);
    }
    Some(transport)
}

fn is_for_all(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|it| it.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use godwit_rpc::transport::Tls;
    use godwit_test_support::ca::{Role, TestCa};
    use std::net::IpAddr;
    use tempfile::TempDir;

    fn files(directory: &TempDir) -> TlsFiles {
        let authority = TestCa::new().unwrap();
        let here = [IpAddr::from([127, 0, 0, 1])];
        let certificate = authority.issue(Role::Conductor, "conductor-1", &here);
        let written = certificate.unwrap().write(directory.path(), "conductor-1");
        let written = written.unwrap();
        TlsFiles {
            ca: authority.write(directory.path()).unwrap(),
            cert: written.cert,
            key: written.key,
        }
    }

    /// What is said of them at some second since 1970.
    fn said(files: &TlsFiles, at: i64) -> String {
        let now = Timestamp::from_micros(at * 1_000_000).unwrap();
        let made = Tls::load(files).map(Transport::Tls).map_err(Into::into);
        let mut report = Report::default();
        look("conductor", made, Some(files), now, &mut report);
        report.to_string()
    }

    #[test]
    fn it_is_good_until_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(&directory);
        // It ends with the year 4095.
        let end = 67_090_118_400;
        let text = said(&files, end - 100 * 86_400);
        let good = "good  certificate of the conductor: godwit://conductor/conductor-1 is good for \
                    100 days";
        assert!(text.starts_with(good), "{text}");
        let text = said(&files, end - 86_400);
        assert!(
            text.starts_with("odd ") && text.contains("1 days"),
            "{text}"
        );
        let text = said(&files, end + 1);
        assert!(text.starts_with("wrong"), "{text}");
    }

    #[test]
    fn a_key_that_all_may_read_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(&directory);
        let all = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&files.key, all).unwrap();
        let text = said(&files, 1_767_225_600);
        assert!(text.contains("everybody on this machine"), "{text}");
    }

    #[test]
    fn files_that_are_not_there_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = files(&directory);
        files.cert = directory.path().join("missing.pem");
        let text = said(&files, 1_767_225_600);
        assert!(
            text.starts_with("wrong") && text.contains("missing.pem"),
            "{text}"
        );
    }
}
