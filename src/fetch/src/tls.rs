//! Which TLS servers are trusted.
//!
//! Trusted are the public authorities (those compiled in, and the system's bundle where there is one), the
//! config's own, and a server that presents the very certificate that the config names as an authority:
//! users put self-signed server certificates there, which path building alone would refuse.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SigningKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::error::Cause;

/// Where distributions keep their bundle; the first that can be read is taken.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

/// A TLS configuration that trusts the authorities in `extra_pem` besides the public ones, and those of the system's
/// bundle where they are wanted.
pub(crate) fn client_config(extra_pem: &[Vec<u8>], system: bool) -> Result<ClientConfig, Cause> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(bundle) = SYSTEM_BUNDLES
        .iter()
        .filter(|_| system)
        .find_map(|path| std::fs::read(path).ok())
    {
        // A certificate of the bundle that cannot be read serves nobody; the others still do.
        roots.add_parsable_certificates(
            CertificateDer::pem_slice_iter(&bundle).filter_map(Result::ok),
        );
    }
    let mut pinned = Vec::new();
    for (index, pem) in extra_pem.iter().enumerate() {
        for certificate in read_bundle(pem).map_err(|reason| invalid(index, &reason))? {
            // One that cannot serve as an authority (an odd version, say) may still be a server's own.
            let _ = roots.add(certificate.clone());
            pinned.push(certificate);
        }
    }
    let provider = Arc::new(CryptoProvider {
        key_provider: &NoKeys,
        ..ring::default_provider()
    });
    let setting = |error: &dyn std::fmt::Display| {
        Cause::InvalidSetting(format!("while setting up TLS: {error}"))
    };
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| setting(&error))?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setting(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { inner, pinned }))
        .with_no_client_auth())
}

/// Nobody here proves who they are by a key; what could sign would be 40 KB of an initramfs.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("keys are not used here".into()))
    }
}

/// All certificates of a PEM text; none at all is an error, too.
fn read_bundle(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("is not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("holds no PEM certificate".to_owned());
    }
    for certificate in &certificates {
        ParsedCertificate::try_from(certificate)
            .map_err(|error| format!("holds a certificate that cannot be read: {error}"))?;
    }
    Ok(certificates)
}

fn invalid(index: usize, reason: &str) -> Cause {
    Cause::InvalidSetting(format!(
        "certificate authority number {} {reason}",
        index + 1
    ))
}

#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            // Both are said only of a certificate whose dates are good: those are looked at first, and the
            // tests hold rustls to it. `Other` stands for a CA certificate in a server's place.
            Err(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::Other(_),
            )) if self.pinned.iter().any(|pinned| pinned == end_entity) => {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
