//! Which TLS library encrypts `wss://`, and how it is configured.

use crate::error::Error;

#[cfg(feature = "native-tls")]
use ::native_tls::TlsConnector;
#[cfg(feature = "rustls")]
use ::rustls::{
    ClientConfig, ConfigBuilder, WantsVerifier,
    crypto::{CryptoProvider, ring},
    pki_types::ServerName,
};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use std::sync::OnceLock;
#[cfg(feature = "rustls")]
use std::{io, sync::Arc};

/// How a `wss://` connection is encrypted: by which library, and configured how.
///
/// Where nothing else is said, rustls does it and the platform says whom to trust; or native-tls, if the
/// feature `rustls` is off. This default is made once for the process.
///
/// Certificates of one's own, for either side, are a matter of the library's own configuration, from which a
/// `Tls` is made: a `rustls::ClientConfig`, or a `native_tls::TlsConnector`. A `ClientConfig` that names no
/// application protocol (ALPN) is made to ask for `http/1.1`; one that names some is left as it is, and so is a
/// `TlsConnector`, which cannot be looked into.
///
/// ```no_run
/// # #[cfg(feature = "rustls")]
/// # fn example(roots: sansocket::rustls::RootCertStore, certificates: Vec<sansocket::rustls::pki_types::CertificateDer<'static>>,
/// #     key: sansocket::rustls::pki_types::PrivateKeyDer<'static>) -> Result<(), Box<dyn std::error::Error>> {
/// use sansocket::{Connect, blocking, rustls::ClientConfig};
///
/// // One's own CA instead of the platform's, and a certificate for this client.
/// let config = ClientConfig::builder()
///     .with_root_certificates(roots)
///     .with_client_auth_cert(certificates, key)?;
/// let ws = blocking::connect(Connect::new("wss://a.example/chat")?.tls(config))?;
/// # Ok(()) }
/// ```
///
/// That the server's certificate is valid for the URL's host is always checked, unless such a configuration
/// was made not to.
#[cfg_attr(
    not(any(feature = "rustls", feature = "native-tls")),
    expect(unreachable_pub, reason = "it is exported with a feature that makes it of use")
)]
#[derive(Clone, Debug)]
pub struct Tls {
    pub(super) library: Library,
}

/// Without a feature there is none, and so no [`Tls`].
#[derive(Clone, Debug)]
pub(super) enum Library {
    #[cfg(feature = "rustls")]
    Rustls(Arc<ClientConfig>),
    #[cfg(feature = "native-tls")]
    Native(TlsConnector),
}

/// Why TLS failed, or could not begin.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The URL's host is nothing that a certificate could be for.
    #[error("no certificate can be for the host {0:?}")]
    Host(Box<str>),
    /// rustls refuses the configuration, or the server, such as for its certificate.
    #[cfg(feature = "rustls")]
    #[error(transparent)]
    Rustls(Box<::rustls::Error>),
    /// The platform's TLS library refuses the configuration, or the server.
    #[cfg(feature = "native-tls")]
    #[error(transparent)]
    Native(Box<::native_tls::Error>),
}

impl Tls {
    /// The default.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(super) fn usual() -> Result<Self, Error> {
        static USUAL: OnceLock<Tls> = OnceLock::new();
        if let Some(usual) = USUAL.get() {
            return Ok(usual.clone());
        }
        #[cfg(feature = "rustls")]
        let made = Self::platform()?;
        #[cfg(not(feature = "rustls"))]
        let made = native()?;
        Ok(USUAL.get_or_init(|| made).clone())
    }

    /// There is none.
    #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
    pub(super) fn usual() -> Result<Self, Error> {
        let why = "wss:// needs the feature \"rustls\" or \"native-tls\"";
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, why).into())
    }

    /// rustls, which trusts whom the platform trusts.
    ///
    /// The cryptography is the [`CryptoProvider`] that the process has installed, or else that of ring.
    ///
    /// # Errors
    /// The platform's certificates cannot be read, or the provider supports no version of TLS.
    #[cfg(feature = "rustls")]
    pub fn platform() -> Result<Self, TlsError> {
        use rustls_platform_verifier::BuilderVerifierExt;

        Ok(builder()?.with_platform_verifier()?.with_no_client_auth().into())
    }

    /// rustls, which trusts whom Mozilla trusted when the crate `webpki-roots` was published.
    ///
    /// The cryptography is the [`CryptoProvider`] that the process has installed, or else that of ring.
    ///
    /// # Errors
    /// The provider supports no version of TLS.
    #[cfg(feature = "webpki-roots")]
    pub fn webpki() -> Result<Self, TlsError> {
        let roots: ::rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Ok(builder()?.with_root_certificates(roots).with_no_client_auth().into())
    }
}

#[cfg(feature = "rustls")]
impl From<Arc<ClientConfig>> for Tls {
    fn from(mut config: Arc<ClientConfig>) -> Self {
        if config.alpn_protocols.is_empty() {
            // RFC 7301 §6 registers it; RFC 6455 speaks HTTP/1.1.
            Arc::make_mut(&mut config).alpn_protocols.push(b"http/1.1".to_vec());
        }
        Self { library: Library::Rustls(config) }
    }
}

#[cfg(feature = "rustls")]
impl From<ClientConfig> for Tls {
    fn from(config: ClientConfig) -> Self {
        Arc::new(config).into()
    }
}

#[cfg(feature = "native-tls")]
impl From<TlsConnector> for Tls {
    fn from(connector: TlsConnector) -> Self {
        Self { library: Library::Native(connector) }
    }
}

#[cfg(feature = "rustls")]
impl From<::rustls::Error> for TlsError {
    fn from(error: ::rustls::Error) -> Self {
        Self::Rustls(Box::new(error))
    }
}

#[cfg(feature = "native-tls")]
impl From<::native_tls::Error> for TlsError {
    fn from(error: ::native_tls::Error) -> Self {
        Self::Native(Box::new(error))
    }
}

/// The platform's own library, with its defaults.
#[cfg(all(feature = "native-tls", not(feature = "rustls")))]
fn native() -> Result<Tls, TlsError> {
    Ok(TlsConnector::builder().request_alpns(&["http/1.1"]).build()?.into())
}

/// A configuration to be told whom to trust.
#[cfg(feature = "rustls")]
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, ::rustls::Error> {
    let installed = CryptoProvider::get_default().cloned();
    let provider = installed.unwrap_or_else(|| Arc::new(ring::default_provider()));
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// Whom the certificate has to be for.
#[cfg(feature = "rustls")]
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    // RFC 6455 §4.1: "Clients MUST use the Server Name Indication extension in the TLS handshake". A name of
    // this type is sent; an address never is (RFC 6066 §3).
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Host(host.into()))
}

/// What kept rustls from finishing its handshake; it comes wrapped into an error of the stream.
#[cfg(feature = "rustls")]
pub(super) fn handshake_error(error: io::Error) -> Error {
    match error.downcast::<::rustls::Error>() {
        Ok(error) => TlsError::from(error).into(),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            crate::error::HandshakeError::UnexpectedEof.into()
        }
        Err(error) => error.into(),
    }
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use super::*;

    fn config() -> ClientConfig {
        builder().unwrap().with_root_certificates(::rustls::RootCertStore::empty()).with_no_client_auth()
    }

    fn protocols(tls: &Tls) -> Vec<&[u8]> {
        match &tls.library {
            Library::Rustls(config) => config.alpn_protocols.iter().map(Vec::as_slice).collect(),
            #[cfg(feature = "native-tls")]
            Library::Native(_) => panic!("{tls:?}"),
        }
    }

    #[test]
    fn http_1_1_is_asked_for_unless_something_else_is() {
        assert_eq!(protocols(&config().into()), [b"http/1.1"]);
        let shared = Arc::new(config());
        assert_eq!(protocols(&Arc::clone(&shared).into()), [b"http/1.1"]);
        assert!(shared.alpn_protocols.is_empty(), "the application's own stays as it is");

        let mut own = config();
        own.alpn_protocols = vec![b"mine".to_vec()];
        assert_eq!(protocols(&own.into()), [b"mine"]);
    }

    #[cfg(feature = "webpki-roots")]
    #[test]
    fn mozillas_roots_need_no_provider_to_be_installed() {
        assert_eq!(protocols(&Tls::webpki().unwrap()), [b"http/1.1"]);
    }

    #[test]
    fn names_and_addresses_can_have_certificates() {
        for host in ["a.example", "a_b.example", "127.0.0.1", "::1", "xn--bcher-kva.example"] {
            assert!(server_name(host).is_ok(), "{host}");
        }
        for host in ["a..example", "a!b", "-", &"a".repeat(64)] {
            assert!(matches!(server_name(host), Err(TlsError::Host(_))), "{host}");
        }
    }
}
