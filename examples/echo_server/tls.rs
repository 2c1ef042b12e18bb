//! The server's certificate: from files, or made at start for this machine alone.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use sansocket::rustls::ServerConfig;
use sansocket::rustls::pki_types::pem::PemObject;
use sansocket::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Reads the certificates and the key.
pub(crate) fn load(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let chain = chain.map_err(|error| format!("{}: {error}", cert.display()))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
    config(chain, key)
}

/// Makes a CA, writes its certificate to a file, and has it certify a key for localhost.
///
/// The CA's own key is forgotten, so whoever trusts the file trusts this one server.
pub(crate) fn make(ca_file: &Path) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    fs::write(ca_file, ca.pem()).map_err(|error| format!("{}: {error}", ca_file.display()))?;

    let mut server = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(String::from))?;
    server.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &ca)?;
    config(vec![certificate.into()], key.into())
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(Arc::new(config))
}
