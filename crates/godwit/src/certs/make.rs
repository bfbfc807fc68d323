//! Makes them.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use godwit_core::time::{Clock, Timestamp};
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::transport::TlsFiles;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use super::rotate::rotate;
use crate::cli::{Bearer, Certs, IssueCertificate};
use crate::clock::SystemClock;
use crate::keys::write;

/// Certificates are good from that long ago on: clocks differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// A certificate that ends within so many days is made anew.
const RENEWED: u32 = 30;

pub(crate) fn run(command: &Certs) -> Result<ExitCode> {
    let now = SystemClock.now();
    let made = match command {
        Certs::Authority { directory, days } => authority(directory, *days, now)?,
        Certs::Issue(wanted) => issue(wanted, now)?,
        Certs::Rotate(step) => rotate(step, now)?,
    };
    println!("{made}");
    Ok(ExitCode::SUCCESS)
}

/// Makes the authority of `directory`, if it has none.
pub(super) fn authority(directory: &Path, days: u32, now: Timestamp) -> Result<String> {
    let (certificate, key) = files_of_authority(directory);
    if certificate.exists() {
        return Ok(format!("{} is there already", certificate.display()));
    }
    make_directory(directory, 0o700)?;
    make_authority(&certificate, &key, days, now)?;
    Ok(format!("made the authority {}", certificate.display()))
}

/// Makes an authority in these two files.
pub(super) fn make_authority(
    certificate: &Path,
    key: &Path,
    days: u32,
    now: Timestamp,
) -> Result<()> {
    let pair = KeyPair::generate()?;
    let mut params = params_of_authority();
    last(&mut params, days, now);
    let pem = params.self_signed(&pair)?.pem();
    // Whoever finds the certificate finds its key.
    write(key, &pair.serialize_pem(), 0o600)?;
    write(certificate, &pem, 0o644)
}

/// Makes what is wanted, if it is not there or not good for long enough.
pub(super) fn issue(wanted: &IssueCertificate, now: Timestamp) -> Result<String> {
    let (authority, authority_key) = files_of_authority(&wanted.authority);
    let trusted = std::fs::read_to_string(&authority)
        .with_context(|| format!("there is no authority {}", authority.display()))?;
    let names = names(wanted)?;
    let text = described(&names);
    let beside = |ending: &str| wanted.out.join(format!("{}.{ending}", wanted.name));
    let files = TlsFiles {
        // Of two that are trusted the one that signs.
        ca: signing(&wanted.authority).unwrap_or(authority),
        cert: beside("pem"),
        key: beside("key"),
    };
    let made_for = beside("names");

    make_directory(&wanted.out, 0o755)?;
    let ahead = DAY * RENEWED.min(wanted.days / 3);
    let is_good = files.verify_at(now.plus(ahead)).is_ok();
    if is_good && std::fs::read_to_string(&made_for).is_ok_and(|it| it == text) {
        write(&wanted.out.join("ca.pem"), &trusted, 0o644)?;
        return Ok(format!("{} is good as it is", files.cert.display()));
    }

    let key = std::fs::read_to_string(&authority_key)
        .with_context(|| format!("cannot read {}", authority_key.display()))?;
    let key = KeyPair::from_pem(&key).with_context(|| authority_key.display().to_string())?;
    let issuer = Issuer::new(params_of_authority(), key);
    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, wanted.name.as_str());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Each is a client of some and a server of others.
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = names;
    last(&mut params, wanted.days, now);
    let pem = params.signed_by(&pair, &issuer)?.pem();

    // Without it the pair is made anew: whoever is killed between the two leaves nothing odd.
    match std::fs::remove_file(&made_for) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", made_for.display()));
        }
        _ => {}
    }
    write(&files.key, &pair.serialize_pem(), 0o600)?;
    write(&files.cert, &pem, 0o644)?;
    write(&wanted.out.join("ca.pem"), &trusted, 0o644)?;
    files.verify_at(now).with_context(|| {
        let authority = wanted.authority.display();
        format!("what the key in {authority} signs, its certificate does not stand for")
    })?;
    write(&made_for, &text, 0o644)?;
    Ok(format!("made {} for {text}", files.cert.display()))
}

pub(super) fn files_of_authority(directory: &Path) -> (PathBuf, PathBuf) {
    (directory.join("ca.pem"), directory.join("ca.key"))
}

/// The certificate of the authority that signs, where another one is trusted beside it.
pub(super) fn signing(directory: &Path) -> Option<PathBuf> {
    Some(directory.join("signing.pem")).filter(|path| path.exists())
}

/// The same each time, as what it signs names it.
fn params_of_authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Godwit authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// From now on for so many days.
fn last(params: &mut CertificateParams, days: u32, now: Timestamp) {
    let seconds = now.as_micros().max(0).unsigned_abs() / 1_000_000;
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_before = now - CLOCKS_DIFFER;
    params.not_after = now + DAY * days;
}

/// Who the bearer is, and where others reach it.
fn names(wanted: &IssueCertificate) -> Result<Vec<SanType>> {
    let role = match wanted.role {
        Bearer::Conductor => Some(Role::Conductor),
        Bearer::Agent => Some(Role::Agent),
        Bearer::Server => None,
    };
    let mut names = vec![];
    if let Some(role) = role {
        let identity = PeerIdentity::new(role, wanted.name.as_str());
        names.push(SanType::URI(identity.to_string().try_into()?));
    }
    for address in &wanted.addresses {
        names.push(match address.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if is_host(address) => SanType::DnsName(address.as_str().try_into()?),
            Err(_) => bail!("{address:?} is neither an IP address nor the name of a machine"),
        });
    }
    Ok(names)
}

/// A label that is all digits at the end would be an IP address that has gone wrong.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(plain) && !label.starts_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// In the words of OpenSSL.
fn described(names: &[SanType]) -> String {
    let mut text = String::new();
    for name in names {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match name {
            SanType::URI(uri) => write!(text, "{comma}URI:{}", uri.as_str()),
            SanType::DnsName(name) => write!(text, "{comma}DNS:{}", name.as_str()),
            SanType::IpAddress(address) => write!(text, "{comma}IP:{address}"),
            _ => Ok(()),
        };
    }
    text
}

fn make_directory(path: &Path, mode: u32) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.with_context(|| format!("cannot make the directory {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use godwit_rpc::transport::Tls;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    struct Site(TempDir);

    impl Site {
        fn new() -> Self {
            let site = Self(tempfile::tempdir().unwrap());
            authority(&site.0.path().join("authority"), 3_650, day(0)).unwrap();
            site
        }

        fn wanted(&self, role: Bearer, addresses: &[&str]) -> IssueCertificate {
            IssueCertificate {
                role,
                name: "one.example.org".parse().unwrap(),
                addresses: addresses.iter().map(|it| (*it).to_owned()).collect(),
                authority: self.0.path().join("authority"),
                out: self.0.path().join("out"),
                days: 365,
            }
        }

        fn files(&self) -> TlsFiles {
            let out = self.0.path().join("out");
            TlsFiles {
                ca: out.join("ca.pem"),
                cert: out.join("one.example.org.pem"),
                key: out.join("one.example.org.key"),
            }
        }

        /// Issues it on some day; was it made?
        fn makes(&self, wanted: &IssueCertificate, at: Timestamp) -> bool {
            let read = || std::fs::read(&self.files().cert).ok();
            let before = read();
            issue(wanted, at).unwrap();
            read() != before
        }
    }

    /// Noon of some day since the end of 2025.
    fn day(number: u32) -> Timestamp {
        let noon = Timestamp::from_micros(1_767_182_400_000_000).unwrap();
        noon.plus(DAY * number)
    }

    #[test]
    fn they_are_for_whom_they_were_made_and_for_as_long() {
        let site = Site::new();
        let wanted = site.wanted(
            Bearer::Conductor,
            &["c.example.org", "192.0.2.1", "2001:db8::1"],
        );
        let said = issue(&wanted, day(0)).unwrap();
        let names = "URI:godwit://conductor/one.example.org,DNS:c.example.org,IP:192.0.2.1,\
                     IP:2001:db8::1";
        assert!(said.ends_with(names), "{said}");
        let files = site.files();
        let identity = PeerIdentity::new(Role::Conductor, "one.example.org");
        let tls = Tls::load_as(&files, &identity).unwrap();
        assert_eq!(tls.ends().own * 1_000_000, day(365).as_micros());
        assert_eq!(tls.ends().authority * 1_000_000, day(3_650).as_micros());
        files.verify_at(day(0).minus(CLOCKS_DIFFER)).unwrap();
        files.verify_at(day(0).minus(DAY)).unwrap_err();
        files.verify_at(day(366)).unwrap_err();
    }

    #[test]
    fn keys_are_their_owners_alone() {
        let site = Site::new();
        let wanted = site.wanted(Bearer::Agent, &["192.0.2.1"]);
        issue(&wanted, day(0)).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&site.files().key), 0o600);
        assert_eq!(mode(&site.files().cert), 0o644);
        assert_eq!(mode(&site.files().ca), 0o644);
        assert_eq!(mode(&wanted.authority), 0o700);
        assert_eq!(mode(&wanted.authority.join("ca.key")), 0o600);
    }

    #[test]
    fn what_is_good_stays() {
        let site = Site::new();
        let wanted = site.wanted(Bearer::Agent, &["192.0.2.1"]);
        assert!(site.makes(&wanted, day(0)));
        assert!(!site.makes(&wanted, day(334)));
        assert!(site.makes(&wanted, day(336)), "it ends within 30 days");
        assert!(!site.makes(&wanted, day(340)));

        let elsewhere = site.wanted(Bearer::Agent, &["192.0.2.2"]);
        assert!(site.makes(&elsewhere, day(340)));
        let otherwise = site.wanted(Bearer::Conductor, &["192.0.2.2"]);
        assert!(site.makes(&otherwise, day(340)));
        std::fs::remove_file(site.files().key).unwrap();
        assert!(site.makes(&otherwise, day(340)));

        let kept = std::fs::read(wanted.authority.join("ca.pem")).unwrap();
        authority(&wanted.authority, 3_650, day(341)).unwrap();
        assert_eq!(
            std::fs::read(wanted.authority.join("ca.pem")).unwrap(),
            kept
        );
        std::fs::remove_dir_all(&wanted.authority).unwrap();
        authority(&wanted.authority, 3_650, day(341)).unwrap();
        assert!(
            site.makes(&otherwise, day(341)),
            "nobody trusts the old authority"
        );
        site.files().verify_at(day(341)).unwrap();
    }

    #[test]
    fn short_ones_are_not_made_anew_each_time() {
        let site = Site::new();
        let mut wanted = site.wanted(Bearer::Agent, &["192.0.2.1"]);
        wanted.days = 9;
        assert!(site.makes(&wanted, day(0)));
        assert!(!site.makes(&wanted, day(5)));
        assert!(site.makes(&wanted, day(7)));
    }

    #[test]
    fn servers_that_are_no_part_of_godwit_are_nobody() {
        let site = Site::new();
        let wanted = site.wanted(Bearer::Server, &["database"]);
        assert!(
            issue(&wanted, day(0))
                .unwrap()
                .ends_with("for DNS:database")
        );
        site.files().verify_at(day(0)).unwrap();
        Tls::load(&site.files()).unwrap_err();
    }

    #[test]
    fn nonsense_is_refused_before_anything_is_made() {
        let site = Site::new();
        for address in [
            "",
            "a b",
            "192.0.2.256",
            "a..b",
            "-a",
            "*",
            "a,IP:192.0.2.1",
        ] {
            let wanted = site.wanted(Bearer::Agent, &[address]);
            let error = issue(&wanted, day(0)).unwrap_err().to_string();
            assert!(error.contains("neither"), "{address}: {error}");
        }
        let mut wanted = site.wanted(Bearer::Agent, &["192.0.2.1"]);
        wanted.authority = site.0.path().join("nowhere");
        let error = issue(&wanted, day(0)).unwrap_err().to_string();
        assert!(error.contains("nowhere/ca.pem"), "{error}");
        assert!(!site.0.path().join("out").exists());
    }
}
