//! Encryption on the gateway's own port: a certificate, kept up to date while the gateway runs.
//!
//! A renewed certificate is used as soon as its files are whole; until then the old one serves, so
//! that a renewal that is half written, or wrong, takes nothing down.

mod files;
mod fingerprint;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio_rustls::TlsAcceptor;

pub(crate) use files::Files;
use files::Material;
pub use fingerprint::Fingerprint;

/// Pause between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Tls {
    files: Files,
    now: RwLock<Now>,
}

/// What serves.
struct Now {
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
    material: Material,
    /// What the files hold that could not be used, so that it is told once.
    refused: Option<Material>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.fingerprint())
    }
}

impl Tls {
    /// Reads the files, and makes them where the config says so.
    ///
    /// # Errors
    /// A sentence that names the file or the key of the config, and what to do.
    pub(crate) fn open(files: Files) -> Result<Self, String> {
        let material = files.read_or_make()?;
        let (config, fingerprint) = served(&files, &material)?;
        let now = Now { config, fingerprint, material, refused: None };
        Ok(Self { files, now: RwLock::new(now) })
    }

    /// The SHA-256 of the certificate that serves.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.now.read().unwrap_or_else(PoisonError::into_inner).fingerprint
    }

    /// What takes a new connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.now.read().unwrap_or_else(PoisonError::into_inner).config.clone().into()
    }

    /// Uses what the files hold now.
    fn renew(&self) {
        let read = self.files.read();
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let material = match read {
            Ok(material) if material == now.material => return,
            Ok(material) => material,
            // Files are replaced one after the other.
            Err(error) => return tracing::debug!(%error, "the certificate is not whole"),
        };
        if now.refused.as_ref() == Some(&material) {
            return;
        }
        match served(&self.files, &material) {
            Ok((config, fingerprint)) => {
                tracing::info!(%fingerprint, "the gateway has a new certificate");
                *now = Now { config, fingerprint, material, refused: None };
            }
            Err(error) => {
                tracing::error!(%error, "a new certificate is not used; the old one serves");
                now.refused = Some(material);
            }
        }
    }
}

/// Looks at the files until it is dropped.
pub(super) async fn watch(tls: Arc<Tls>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let looking = tls.clone();
        // Files may lie on a disk that is slow or gone.
        if tokio::task::spawn_blocking(move || looking.renew()).await.is_err() {
            tracing::error!("looking at the certificate failed");
        }
    }
}

fn served(files: &Files, material: &Material) -> Result<(Arc<ServerConfig>, Fingerprint), String> {
    let (chain, key) = files.parse(material)?;
    let fingerprint = Fingerprint::of(chain.first().map(AsRef::as_ref).unwrap_or_default());
    let wrong = |error: rustls::Error| {
        format!("{} and {}: {error}", files.certificate.display(), files.key.display())
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), fingerprint))
}
