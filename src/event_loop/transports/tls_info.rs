//! What is known of a TLS connection.

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ProtocolVersion};

/// What both ends of a TLS connection have agreed on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The peer's certificates, its own first. Empty if it has shown none.
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// The version of the protocol.
    pub version: Option<ProtocolVersion>,
    /// The cipher suite.
    pub cipher: Option<CipherSuite>,
    /// The application's protocol, by ALPN.
    pub alpn_protocol: Option<Vec<u8>>,
    /// On a server: the host name that the client has asked for.
    pub server_name: Option<String>,
}
