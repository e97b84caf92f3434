//! TLS by rustls: which certificates are trusted, and the client's side of a connection.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use heist::net::TcpStream;
use heist::sync::OnceCell;
use heist::task::spawn_blocking;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

/// What the versions of HTTP are called in ALPN.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The certificates that are trusted.
#[derive(Clone, Debug)]
pub(crate) enum Roots {
    /// Those of the system.
    Native,
    Own(Arc<RootCertStore>),
}

impl Roots {
    /// Reads a file of certificates (PEM).
    pub(crate) fn read(file: &Path) -> Result<Roots, String> {
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        match roots.is_empty() {
            true => Err("there is no certificate in it".into()),
            false => Ok(Roots::Own(Arc::new(roots))),
        }
    }

    /// Waits for files.
    fn load(self) -> io::Result<Arc<RootCertStore>> {
        let Roots::Own(roots) = self else {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            // One that can't be understood harms none of the others.
            roots.add_parsable_certificates(found.certs);
            return match (roots.is_empty(), found.errors.into_iter().next()) {
                (false, _) => Ok(Arc::new(roots)),
                (true, Some(error)) => Err(io::Error::other(error)),
                (true, None) => Err(io::Error::other("the system has no root certificates")),
            };
        };
        Ok(roots)
    }
}

/// What a client offers to speak (ALPN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// HTTP/2 and HTTP/1.1.
    Http,
    /// HTTP/1.1 alone.
    Http1,
    /// Nothing: what is spoken is no HTTP.
    Nothing,
}

impl Offer {
    fn protocols(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Offer::Http => &[HTTP2, HTTP1],
            Offer::Http1 => &[HTTP1],
            Offer::Nothing => &[],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// Makes connections secure.
pub(crate) struct Tls {
    roots: Roots,
    /// Made for the first connection: to read the system's certificates takes a while.
    config: OnceCell<ClientConfig>,
}

impl Tls {
    pub(crate) fn new(roots: Roots) -> Tls {
        Tls {
            roots,
            config: OnceCell::new(),
        }
    }

    /// Shakes hands with the host of a URL.
    pub(crate) async fn connect(
        &self,
        url: &Url,
        stream: TcpStream,
        offer: Offer,
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = self.config.get_or_try_init(|| self.config()).await?;
        // What it holds is shared.
        let mut config = config.clone();
        config.alpn_protocols = offer.protocols();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(server_name(url)?, stream).await
    }

    async fn config(&self) -> io::Result<ClientConfig> {
        let roots = self.roots.clone();
        let roots = spawn_blocking(move || roots.load()).await??;
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

/// Whether the host has chosen HTTP/2.
pub(crate) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

fn server_name(url: &Url) -> io::Result<ServerName<'static>> {
    match url.host() {
        Some(Host::Domain(name)) => {
            // A certificate has no name with a dot at its end.
            let name = name.strip_suffix('.').unwrap_or(name).to_owned();
            ServerName::try_from(name).map_err(io::Error::other)
        }
        Some(Host::Ipv4(address)) => Ok(ServerName::IpAddress(address.into())),
        Some(Host::Ipv6(address)) => Ok(ServerName::IpAddress(address.into())),
        None => Err(io::Error::other("no host")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(text: &str) -> Result<Roots, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Roots::read(file.path())
    }

    #[test]
    fn a_file_of_roots_holds_certificates_and_nothing_broken() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(matches!(read(&pem), Ok(Roots::Own(roots)) if roots.len() == 1));
        assert!(matches!(
            read(&format!("{pem}{key}text\n{pem}")),
            Ok(Roots::Own(_))
        ));
        for bad in ["", "text", &key, &pem.replace("MII", "!!!"), &pem[..100]] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(Roots::read(Path::new("/no/such/file")).is_err());
    }
}
