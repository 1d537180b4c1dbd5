//! The files of a certificate: read, checked, and made where there are none.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::GatewayTls;
use crate::put_file::put;

/// Where they lie in the state directory, where nobody says otherwise.
const OWN_FOLDER: &str = "gateway/tls";
/// The years a certificate that is made here is good for. Clients know it by its fingerprint.
const YEARS: (i32, i32) = (2025, 2055);
/// Certificates that are sent along: every client gets all of them.
const CHAIN_MAX: usize = 8;
/// Bytes of one file.
const BYTES_MAX: usize = 256 * 1024;

/// Where they are.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The certificate, or its chain.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
    /// What completes the chain.
    pub(crate) more: Option<PathBuf>,
    /// Whether a missing pair is made.
    pub(crate) is_made: bool,
    /// The names and addresses a certificate that is made is for.
    pub(crate) names: Vec<String>,
}

/// What they hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    more: Option<Vec<u8>>,
}

impl Files {
    /// As the config says.
    pub(crate) fn of(config: &GatewayTls, state_dir: &Path, names: Vec<String>) -> Self {
        let place = |path: &Option<String>, name: &str| match path {
            Some(path) => PathBuf::from(path),
            None => state_dir.join(OWN_FOLDER).join(name),
        };
        Self {
            certificate: place(&config.cert_path, "gateway-cert.pem"),
            key: place(&config.key_path, "gateway-key.pem"),
            more: config.ca_path.as_ref().map(PathBuf::from),
            is_made: config.auto_generate,
            names,
        }
    }

    /// What they hold; a pair is made first where there is none and the config allows it.
    pub(super) fn read_or_make(&self) -> Result<Material, String> {
        if self.is_made {
            self.make().map_err(|error| format!("gateway.tls: {error}"))?;
        }
        self.read().map_err(|error| format!("gateway.tls: {error}"))
    }

    /// What they hold.
    pub(super) fn read(&self) -> Result<Material, String> {
        let read = |path: &Path| {
            let bytes =
                std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            if bytes.len() > BYTES_MAX {
                return Err(format!("{}: more than 256 KiB is no certificate", path.display()));
            }
            Ok(bytes)
        };
        Ok(Material {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            more: self.more.as_deref().map(read).transpose()?,
        })
    }

    /// The chain, the server's own certificate first, and the key.
    pub(super) fn parse(
        &self,
        material: &Material,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
        let broken = |path: &Path, what: &str| format!("{}: {what}", path.display());
        let certificates = |path: &Path, bytes: &[u8]| {
            CertificateDer::pem_slice_iter(bytes)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| broken(path, &format!("no certificate in PEM: {error}")))
        };
        let mut chain = certificates(&self.certificate, &material.certificate)?;
        if chain.is_empty() {
            return Err(broken(&self.certificate, "holds no certificate in PEM"));
        }
        if let (Some(path), Some(bytes)) = (&self.more, &material.more) {
            chain.extend(certificates(path, bytes)?);
        }
        if chain.len() > CHAIN_MAX {
            let count = chain.len();
            return Err(format!(
                "gateway.tls.certPath and gateway.tls.caPath hold {count} certificates, and every \
                 client would be sent them all; keep the ones between the gateway's and its \
                 authority's, {CHAIN_MAX} at most"
            ));
        }
        // What is wrong with a key is not shown with it.
        let key = PrivateKeyDer::from_pem_slice(&material.key)
            .map_err(|_| broken(&self.key, "holds no private key in PEM"))?;
        Ok((chain, key))
    }

    /// Makes what is missing of a pair. The key is written first, and one that is there is kept: a
    /// start that died between the two is made good by the next.
    fn make(&self) -> Result<(), String> {
        let broken = |path: &Path, error: String| format!("{}: {error}", path.display());
        let is_there = |path: &Path| match path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(broken(path, error.to_string())),
        };
        let key = match (is_there(&self.certificate)?, is_there(&self.key)?) {
            (true, true) => return Ok(()),
            (true, false) => {
                let help = "the private key of the certificate is missing; put it there, or move \
                            the certificate away to have both made";
                return Err(broken(&self.key, help.into()));
            }
            (false, true) => {
                let text = std::fs::read_to_string(&self.key)
                    .map_err(|error| broken(&self.key, error.to_string()))?;
                KeyPair::from_pem(&text)
                    .map_err(|_| broken(&self.key, "no key a certificate can be made for".into()))?
            }
            (false, false) => {
                let fresh = KeyPair::generate().map_err(|error| error.to_string())?;
                put(&self.key, fresh.serialize_pem().as_bytes(), 0o600)
                    .map_err(|error| broken(&self.key, error.to_string()))?;
                fresh
            }
        };
        let certificate = self.signed_by(&key).map_err(|error| error.to_string())?;
        put(&self.certificate, certificate.as_bytes(), 0o600)
            .map_err(|error| broken(&self.certificate, error.to_string()))?;
        tracing::info!(file = %self.certificate.display(), "a certificate of its own was made");
        Ok(())
    }

    fn signed_by(&self, key: &KeyPair) -> Result<String, rcgen::Error> {
        let mut params = CertificateParams::new(self.names.clone())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "telson gateway");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(YEARS.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(YEARS.1, 1, 1);
        Ok(params.self_signed(key)?.pem())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn files(folder: &Path) -> Files {
        let names = vec!["localhost".into(), "127.0.0.1".into()];
        Files::of(&GatewayTls::default(), folder, names)
    }

    fn chain(files: &Files) -> Result<usize, String> {
        let material = files.read_or_make()?;
        files.parse(&material).map(|(chain, _)| chain.len())
    }

    #[test]
    fn a_pair_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        assert_eq!(chain(&files), Ok(1));
        let first = files.read().ok().unwrap();
        assert!(files.read_or_make().ok() == Some(first.clone()), "the next start has the same");
        for path in [&files.key, &files.certificate] {
            let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
        // A start that died between the two.
        std::fs::remove_file(&files.certificate).unwrap();
        assert_eq!(chain(&files), Ok(1));
        assert!(files.read().ok().unwrap().key == first.key, "the key stays");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let own = files(folder.path());
        let not_made = Files { is_made: false, ..own.clone() };
        assert!(chain(&not_made).unwrap_err().contains("gateway-cert.pem"));
        chain(&own).unwrap();
        let key = std::fs::read(&own.key).unwrap();
        std::fs::remove_file(&own.key).unwrap();
        assert!(chain(&own).unwrap_err().contains("gateway-key.pem: the private key"));
        std::fs::write(&own.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
        let error = chain(&own).unwrap_err();
        assert!(error.contains("gateway-key.pem: holds no private key"), "{error}");
        std::fs::write(&own.key, key).unwrap();
        std::fs::write(&own.certificate, "nothing").unwrap();
        assert!(chain(&own).unwrap_err().contains("holds no certificate"));
        let one = {
            std::fs::remove_file(&own.certificate).unwrap();
            chain(&own).unwrap();
            std::fs::read_to_string(&own.certificate).unwrap()
        };
        let bundle = folder.path().join("ca.pem");
        std::fs::write(&bundle, one.repeat(CHAIN_MAX)).unwrap();
        let many = Files { more: Some(bundle), ..own };
        assert!(chain(&many).unwrap_err().contains("gateway.tls.caPath"));
    }
}
