//! Certificates, made for one run of the tests.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
#[cfg(feature = "native-tls")]
use sansocket::Tls;
use sansocket::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sansocket::rustls::server::{WantsServerCert, WebPkiClientVerifier};
use sansocket::rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use std::sync::Arc;

/// One who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate, and what proves that it is one's own.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // As long as it is not the name in the certificates that it signs.
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for these names and addresses.
    pub(crate) fn identity(&self, names: &[&str]) -> Identity {
        self.sign(CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap())
    }

    /// One that is no longer valid.
    pub(crate) fn expired(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        self.sign(params)
    }

    /// One that has the name only where names stood before there was a field for them.
    pub(crate) fn in_the_common_name(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(params)
    }

    /// One that may be shown by clients, and not by servers.
    pub(crate) fn for_clients(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.der().clone(), key }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// A client that trusts nobody else, and shows who it is, if it is to.
    pub(crate) fn client(&self, own: Option<Identity>) -> ClientConfig {
        let config = ClientConfig::builder().with_root_certificates(self.roots());
        match own {
            Some(Identity { certificate, key }) => {
                config.with_client_auth_cert(vec![certificate], private(&key)).unwrap()
            }
            None => config.with_no_client_auth(),
        }
    }

    /// The same with the platform's library.
    #[cfg(feature = "native-tls")]
    pub(crate) fn native_client(&self) -> Tls {
        use sansocket::native_tls::{Certificate, TlsConnector};

        let root = Certificate::from_pem(self.certificate.pem().as_bytes()).unwrap();
        TlsConnector::builder()
            .disable_built_in_roots(true)
            .add_root_certificate(root)
            .request_alpns(&["http/1.1"])
            .build()
            .unwrap()
            .into()
    }

    /// A server that lets in only whom this authority knows.
    pub(crate) fn strict_server(&self, own: &Identity) -> ServerConfig {
        let verifier = WebPkiClientVerifier::builder(self.roots()).build().unwrap();
        own.server_config(ServerConfig::builder().with_client_cert_verifier(verifier))
    }
}

impl Identity {
    /// A server that lets everybody in.
    pub(crate) fn server(&self) -> ServerConfig {
        self.server_config(ServerConfig::builder().with_no_client_auth())
    }

    fn server_config(&self, config: ConfigBuilder<ServerConfig, WantsServerCert>) -> ServerConfig {
        let mut config = config.with_single_cert(vec![self.certificate.clone()], private(&self.key)).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}
