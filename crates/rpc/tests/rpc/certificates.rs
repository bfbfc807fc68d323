//! Certificates that are wrong, each in its own way, on either side.

use std::sync::Arc;

use crate::parties::*;
use godwit_core::time::Timestamp;
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_rpc::transport::{Address, Tls, TlsError, TlsFiles, Transport};
use godwit_rpc::version::Speaks;
use godwit_test_support::ca::{self, Certificate, TestCa};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

struct Scene {
    directory: TempDir,
    authority: TestCa,
}

impl Scene {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            authority: TestCa::new().unwrap(),
        }
    }

    fn good(&self, role: ca::Role, name: &str) -> Transport {
        tls(self.directory.path(), &self.authority, role, name)
    }

    fn party(&self, name: &str, certificate: &Certificate) -> Result<Tls, TlsError> {
        Tls::load(&tls_files(
            self.directory.path(),
            name,
            &self.authority,
            certificate,
        ))
    }

    /// Calls a good agent.
    async fn call_as(&self, caller: Transport) -> Result<(), CallError> {
        let side = self.good(ca::Role::Agent, "host-1");
        let serving = serve_agent(&side, Arc::default(), Speaks::default()).await;
        agent_client(&caller, &serving).facts().await.map(drop)
    }

    /// A good conductor calls host-1, and this answers.
    async fn answer_as(&self, answering: Transport) -> Result<(), CallError> {
        let serving = serve_agent(&answering, Arc::default(), Speaks::default()).await;
        let caller = self.good(ca::Role::Conductor, "conductor-1");
        agent_client(&caller, &serving).facts().await.map(drop)
    }
}

#[track_caller]
fn assert_cut_off(called: Result<(), CallError>) {
    assert!(
        matches!(called, Err(CallError::Unreachable(_))),
        "{called:?}"
    );
}

#[tokio::test]
async fn good_ones_are_let_in() {
    let scene = Scene::new();
    let conductor = scene.good(ca::Role::Conductor, "conductor-1");
    scene.call_as(conductor).await.unwrap();
}

#[tokio::test]
async fn a_caller_of_another_authority_is_refused() {
    let scene = Scene::new();
    let other = TestCa::new().unwrap();
    let certificate = other
        .issue(ca::Role::Conductor, "conductor-1", &[LOOPBACK])
        .unwrap();
    // It trusts the right authority, so that only the agent has a reason to refuse.
    let caller = scene.party("foreign", &certificate).unwrap();
    assert_cut_off(scene.call_as(Transport::Tls(caller)).await);
}

#[tokio::test]
async fn an_expired_caller_is_refused() {
    let scene = Scene::new();
    let certificate = scene
        .authority
        .issue_expired(ca::Role::Conductor, "conductor-1", &[LOOPBACK])
        .unwrap();
    let caller = scene.party("expired", &certificate).unwrap();
    assert_cut_off(scene.call_as(Transport::Tls(caller)).await);
}

#[tokio::test]
async fn a_caller_of_the_wrong_role_is_refused() {
    let scene = Scene::new();
    for role in [ca::Role::Agent, ca::Role::Api] {
        let caller = scene.good(role, "conductor-1");
        let error = scene.call_as(caller).await.unwrap_err();
        let forbidden = matches!(error.refusal(), Some(Refusal::Forbidden(_)));
        assert!(forbidden, "{role}: {error:?}");
    }
}

/// What an agent says to a caller that only speaks TLS, with this certificate, and HTTP/2.
async fn first_words_to(scene: &Scene, certificate: Option<&Certificate>) -> Vec<u8> {
    let side = scene.good(ca::Role::Agent, "host-1");
    let serving = serve_agent(&side, Arc::default(), Speaks::default()).await;
    let Address::Tls { host, port } = &serving.address else {
        panic!("{:?} is not TLS", serving.address);
    };
    let connector = TlsConnector::from(Arc::new(client_config(scene, certificate)));
    let tcp = TcpStream::connect((host.as_str(), *port)).await.unwrap();
    let name = ServerName::try_from(host.clone()).unwrap();
    let mut heard = vec![0; 64];
    let Ok(mut stream) = connector.connect(name, tcp).await else {
        return vec![];
    };
    // Refusals arrive as a close, a reset or an alert, depending on who is faster.
    if stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .is_err()
    {
        return vec![];
    }
    let length = stream.read(&mut heard).await.unwrap_or(0);
    heard.truncate(length);
    heard
}

fn client_config(scene: &Scene, certificate: Option<&Certificate>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let authority = scene.authority.cert_pem();
    roots
        .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
        .unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match certificate {
        None => config.with_no_client_auth(),
        Some(certificate) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.cert_pem.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

#[tokio::test]
async fn a_caller_without_an_identity_hears_nothing() {
    let scene = Scene::new();
    let good = scene
        .authority
        .issue(ca::Role::Conductor, "conductor-1", &[])
        .unwrap();
    assert!(!first_words_to(&scene, Some(&good)).await.is_empty());

    let nobody = scene.authority.issue_without_identity(&[]).unwrap();
    assert!(first_words_to(&scene, Some(&nobody)).await.is_empty());
}

#[tokio::test]
async fn a_caller_without_a_certificate_hears_nothing() {
    let scene = Scene::new();
    assert!(first_words_to(&scene, None).await.is_empty());
}

#[test]
fn a_party_without_an_identity_does_not_even_begin() {
    let scene = Scene::new();
    let nobody = scene.authority.issue_without_identity(&[LOOPBACK]).unwrap();
    let error = scene.party("nobody", &nobody).unwrap_err();
    assert!(matches!(error, TlsError::Identity { .. }), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_told_at_once() {
    let scene = Scene::new();
    let issue = |name| {
        let issued = scene.authority.issue(ca::Role::Agent, name, &[LOOPBACK]);
        issued.unwrap()
    };
    let mixed = Certificate {
        cert_pem: issue("host-1").cert_pem,
        key_pem: issue("host-1").key_pem,
    };
    let error = scene.party("mixed", &mixed).unwrap_err();
    assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
}

#[test]
fn files_that_are_not_there_are_named() {
    let scene = Scene::new();
    let good = scene
        .authority
        .issue(ca::Role::Agent, "host-1", &[LOOPBACK])
        .unwrap();
    let mut files = tls_files(scene.directory.path(), "host-1", &scene.authority, &good);
    files.key = scene.directory.path().join("missing.key");
    let error = Tls::load(&files).unwrap_err().to_string();
    assert!(error.contains("missing.key"), "{error}");
}

#[test]
fn somebody_elses_certificate_is_told_at_once() {
    let scene = Scene::new();
    let good = scene
        .authority
        .issue(ca::Role::Agent, "host-1", &[LOOPBACK])
        .unwrap();
    let files = tls_files(scene.directory.path(), "host-1", &scene.authority, &good);
    let wanted = PeerIdentity::new(Role::Agent, "host-2");
    let error = Tls::load_as(&files, &wanted).unwrap_err();
    assert!(matches!(error, TlsError::Somebody { .. }), "{error}");
}

#[test]
fn it_is_known_when_certificates_end() {
    let scene = Scene::new();
    let authority = &scene.authority;
    let expired = authority.issue_expired(ca::Role::Agent, "host-1", &[LOOPBACK]);
    let ends = scene.party("expired", &expired.unwrap()).unwrap().ends();
    // 2001-01-01.
    assert_eq!(ends.own, 978_307_200);
    assert!(ends.authority > ends.own);
}

#[test]
fn files_are_believed_as_long_as_others_would_believe_them() {
    let scene = Scene::new();
    let files = |name, certificate: &Certificate| {
        tls_files(scene.directory.path(), name, &scene.authority, certificate)
    };
    // 2026-01-01, and a second before certificates of this authority end.
    let [now, late] = [1_767_225_600, 67_090_118_399];
    let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
    let good = scene
        .authority
        .issue(ca::Role::Agent, "host-1", &[LOOPBACK]);
    let good = good.unwrap();
    let believed = files("good", &good);
    believed.verify_at(at(now)).unwrap();
    believed.verify_at(at(late)).unwrap();
    let refused =
        |error: TlsError| assert!(matches!(error, TlsError::NotBelieved { .. }), "{error}");
    refused(believed.verify_at(at(late + 2)).unwrap_err());

    let nobody = scene.authority.issue_without_identity(&[LOOPBACK]);
    files("nobody", &nobody.unwrap())
        .verify_at(at(now))
        .unwrap();
    let other = TestCa::new().unwrap();
    let other = other.issue(ca::Role::Agent, "host-1", &[LOOPBACK]).unwrap();
    refused(files("other", &other).verify_at(at(now)).unwrap_err());
    let mixed = Certificate {
        key_pem: other.key_pem,
        ..good
    };
    let error = files("mixed", &mixed).verify_at(at(now)).unwrap_err();
    assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
}

#[tokio::test]
async fn another_host_cannot_answer_in_its_place() {
    let scene = Scene::new();
    let impostor = scene.good(ca::Role::Agent, "host-2");
    assert_cut_off(scene.answer_as(impostor).await);
}

#[tokio::test]
async fn a_conductor_cannot_answer_for_an_agent() {
    let scene = Scene::new();
    let impostor = scene.good(ca::Role::Conductor, "host-1");
    assert_cut_off(scene.answer_as(impostor).await);
}

#[tokio::test]
async fn an_answer_of_another_authority_is_refused() {
    let scene = Scene::new();
    let other = TestCa::new().unwrap();
    let certificate = other.issue(ca::Role::Agent, "host-1", &[LOOPBACK]).unwrap();
    let impostor = scene.party("foreign", &certificate).unwrap();
    assert_cut_off(scene.answer_as(Transport::Tls(impostor)).await);
}

#[tokio::test]
async fn an_expired_answer_is_refused() {
    let scene = Scene::new();
    let certificate = scene
        .authority
        .issue_expired(ca::Role::Agent, "host-1", &[LOOPBACK])
        .unwrap();
    let expired = scene.party("expired", &certificate).unwrap();
    assert_cut_off(scene.answer_as(Transport::Tls(expired)).await);
}

#[tokio::test]
async fn an_answer_at_another_address_is_refused() {
    let scene = Scene::new();
    let elsewhere = [10, 1, 2, 3].into();
    let certificate = scene
        .authority
        .issue(ca::Role::Agent, "host-1", &[elsewhere])
        .unwrap();
    let moved = scene.party("moved", &certificate).unwrap();
    assert_cut_off(scene.answer_as(Transport::Tls(moved)).await);
}

/// Two authorities, and the files of an agent and a conductor that begin with the first.
struct Rotation {
    scene: Scene,
    next: TestCa,
    agent: TlsFiles,
    conductor: TlsFiles,
}

impl Rotation {
    fn new() -> Self {
        let scene = Scene::new();
        let files = |role, name: &str| {
            let certificate = scene.authority.issue(role, name, &[LOOPBACK]).unwrap();
            tls_files(scene.directory.path(), name, &scene.authority, &certificate)
        };
        let agent = files(ca::Role::Agent, "host-1");
        let conductor = files(ca::Role::Conductor, "conductor-1");
        let next = TestCa::new().unwrap();
        Self {
            scene,
            next,
            agent,
            conductor,
        }
    }

    /// What both trust from now on.
    fn trust(&self, authorities: &[&TestCa]) {
        let all: String = authorities.iter().map(|it| it.cert_pem()).collect();
        for files in [&self.agent, &self.conductor] {
            std::fs::write(&files.ca, &all).unwrap();
        }
    }

    /// Puts a certificate in the place of another.
    fn put(&self, files: &TlsFiles, certificate: &Certificate) {
        std::fs::write(&files.cert, &certificate.cert_pem).unwrap();
        std::fs::write(&files.key, &certificate.key_pem).unwrap();
    }

    /// Somebody who has heard nothing of all that.
    fn conductor_of_old(&self) -> TlsFiles {
        let old = &self.scene.authority;
        let certificate = old.issue(ca::Role::Conductor, "conductor-2", &[LOOPBACK]);
        let directory = self.scene.directory.path();
        tls_files(directory, "conductor-2", old, &certificate.unwrap())
    }
}

#[tokio::test]
async fn an_authority_is_replaced_while_everybody_runs() {
    let rotation = Rotation::new();
    let (old, next) = (&rotation.scene.authority, &rotation.next);
    let side = Transport::Tls(Tls::load(&rotation.agent).unwrap());
    let serving = serve_agent(&side, Arc::default(), Speaks::default()).await;
    let caller = Transport::Tls(Tls::load(&rotation.conductor).unwrap());
    // Each client connects anew, and one that is there goes on.
    let call = async || agent_client(&caller, &serving).facts().await.map(drop);
    let first = agent_client(&caller, &serving);
    first.facts().await.unwrap();
    let former = Transport::Tls(Tls::load(&rotation.conductor_of_old()).unwrap());

    rotation.trust(&[old, next]);
    call().await.unwrap();
    let agent = next.issue(ca::Role::Agent, "host-1", &[LOOPBACK]).unwrap();
    rotation.put(&rotation.agent, &agent);
    call().await.unwrap();
    let conductor = next.issue(ca::Role::Conductor, "conductor-1", &[LOOPBACK]);
    rotation.put(&rotation.conductor, &conductor.unwrap());
    call().await.unwrap();
    rotation.trust(&[next]);
    call().await.unwrap();
    first.facts().await.unwrap();
    let refused = agent_client(&former, &serving).facts().await.map(drop);
    assert_cut_off(refused);
}

#[tokio::test]
async fn what_is_of_no_use_is_not_taken() {
    let rotation = Rotation::new();
    let authority = &rotation.scene.authority;
    let tls = Tls::load(&rotation.agent).unwrap();
    let ends = tls.ends();
    let side = Transport::Tls(tls.clone());
    let serving = serve_agent(&side, Arc::default(), Speaks::default()).await;
    let caller = rotation.scene.good(ca::Role::Conductor, "conductor-9");
    let call = async || agent_client(&caller, &serving).facts().await.map(drop);

    let expired = authority.issue_expired(ca::Role::Agent, "host-1", &[LOOPBACK]);
    let expired = expired.unwrap();
    let another = authority.issue(ca::Role::Agent, "host-2", &[LOOPBACK]);
    let another = another.unwrap();
    // Half of a pair, as it is between two writes.
    std::fs::write(&rotation.agent.key, &expired.key_pem).unwrap();
    call().await.unwrap();
    std::fs::write(&rotation.agent.key, "no key").unwrap();
    call().await.unwrap();
    std::fs::remove_file(&rotation.agent.key).unwrap();
    call().await.unwrap();
    rotation.put(&rotation.agent, &another);
    call().await.unwrap();
    assert_eq!(tls.ends(), ends);
    assert_eq!(tls.identity().name, "host-1");

    // It is whole, and theirs to judge.
    rotation.put(&rotation.agent, &expired);
    assert!(tls.ends().own < ends.own);
    assert_cut_off(call().await);
}
