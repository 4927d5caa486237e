//! TLS servers with certificates made on the spot.

use std::sync::Arc;

use pilotlight_fetch::{Cause, ClientConfig, Request};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use crate::server::{Server, Step, answer};
use crate::{Outcome, fetch, quick};

/// A certificate with its key.
pub struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

impl Identity {
    pub fn pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }

    /// A certificate that signs itself, for the loopback address, changed by `change`.
    fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params(&["127.0.0.1"]);
        change(&mut params);
        Self {
            certificate: params.self_signed(&key).unwrap(),
            key,
        }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}

fn as_authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

/// A certificate authority.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = params(&[]);
        as_authority(&mut params);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }

    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_with(names, |_| ())
    }

    fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = params(names);
        change(&mut params);
        Identity {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            key,
        }
    }
}

pub fn server_config(identity: &Identity) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

/// Fetches once from a server with this identity, trusting `trusted` besides the public authorities.
fn ask(identity: &Identity, trusted: &[Vec<u8>]) -> Outcome {
    let server = Server::tls(&server_config(identity), [answer("200 OK", &[], "hello")]);
    let config = ClientConfig {
        extra_ca_pem: trusted.to_vec(),
        ..quick()
    };
    fetch(config, &Request::new(server.https_url("/")))
}

/// The refusal of a certificate, and no other failure.
fn refusal(outcome: &Outcome) -> &str {
    match &outcome.error().cause {
        Cause::Tls(text) => text,
        cause => panic!("{cause:?}"),
    }
}

#[test]
fn a_configured_authority_is_trusted() {
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    assert_eq!(ask(&identity, &[authority.pem()]).contents(), b"hello");
    // A bundle is as good, in any place of the list.
    let bundle = [Authority::new().pem(), authority.pem()].concat();
    let outcome = ask(&identity, &[Authority::new().pem(), bundle]);
    assert_eq!(outcome.contents(), b"hello");
}

#[test]
fn others_are_not() {
    let identity = Authority::new().issue(&["127.0.0.1"]);
    for trusted in [vec![], vec![Authority::new().pem()]] {
        let outcome = ask(&identity, &trusted);
        // Two authorities of one name differ by their key.
        let text = refusal(&outcome);
        assert!(
            text.starts_with("no authority that this machine trusts has signed it"),
            "{text}"
        );
        assert!(!outcome.error().is_retryable());
    }
}

#[test]
fn the_name_is_checked() {
    let authority = Authority::new();
    let identity = authority.issue(&["config.invalid"]);
    let outcome = ask(&identity, &[authority.pem()]);
    assert!(
        refusal(&outcome).contains("not valid for"),
        "{}",
        refusal(&outcome)
    );
}

#[test]
fn a_self_signed_server_is_trusted_when_it_is_configured() {
    for change in [|_: &mut CertificateParams| (), as_authority] {
        let identity = Identity::self_signed(change);
        assert_eq!(ask(&identity, &[identity.pem()]).contents(), b"hello");
        let other = Identity::self_signed(change);
        refusal(&ask(&identity, &[other.pem()]));
        refusal(&ask(&identity, &[]));
    }
    // The server's own certificate, of an authority that is not configured.
    let identity = Authority::new().issue(&["127.0.0.1"]);
    assert_eq!(ask(&identity, &[identity.pem()]).contents(), b"hello");
}

#[test]
fn a_configured_server_still_needs_its_name() {
    for change in [|_: &mut CertificateParams| (), as_authority] {
        let identity = Identity::self_signed(|params| {
            change(params);
            params.subject_alt_names = vec![];
        });
        let outcome = ask(&identity, &[identity.pem()]);
        let text = refusal(&outcome);
        assert!(text.contains("not valid for"), "{text}");
    }
}

#[test]
fn dates_are_checked_and_retried_as_the_clock_may_be_wrong() {
    let authority = Authority::new();
    let past = |params: &mut CertificateParams| params.not_after = date_time_ymd(2021, 1, 1);
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2099, 1, 1);
    let dates: [&dyn Fn(&mut CertificateParams); 2] = [&past, &future];
    for dates in dates {
        let self_signed = Identity::self_signed(dates);
        let self_signed_authority = Identity::self_signed(|params| {
            as_authority(params);
            dates(params);
        });
        let issued = authority.issue_with(&["127.0.0.1"], dates);
        let of_stranger = Authority::new().issue_with(&["127.0.0.1"], dates);
        for (identity, trusted) in [
            (&self_signed, self_signed.pem()),
            (&self_signed_authority, self_signed_authority.pem()),
            (&issued, authority.pem()),
            (&of_stranger, of_stranger.pem()),
        ] {
            let good = Identity::self_signed(|_| ());
            let server = Server::start(vec![
                vec![
                    Step::StartTls(server_config(identity)),
                    answer("200 OK", &[], "bad"),
                ],
                vec![
                    Step::StartTls(server_config(&good)),
                    answer("200 OK", &[], "good"),
                ],
            ]);
            let config = ClientConfig {
                extra_ca_pem: vec![trusted, good.pem()],
                ..quick()
            };
            let outcome = fetch(config, &Request::new(server.https_url("/")));
            assert_eq!(outcome.contents(), b"good");
            let wait = outcome.told.waits.borrow()[0].clone();
            assert!(wait.ends_with("is this machine's clock right?"), "{wait}");
        }
    }
}

#[test]
fn authorities_that_cannot_be_read_are_named() {
    let good = Authority::new().pem();
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for bad in [&b""[..], b"no PEM", broken, &good[..good.len() / 2]] {
        let config = ClientConfig {
            extra_ca_pem: vec![good.clone(), bad.to_vec()],
            ..quick()
        };
        let outcome = fetch(config, &Request::new("https://config.invalid/"));
        let error = outcome.error();
        assert!(matches!(error.cause, Cause::InvalidSetting(_)), "{error}");
        assert!(
            error
                .to_string()
                .contains("certificate authority number 2 "),
            "{error}"
        );
    }
}
