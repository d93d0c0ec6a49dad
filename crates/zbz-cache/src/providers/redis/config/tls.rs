//! TLS: the trusted roots, the client certificate, and the cryptography (ring, chosen here, whatever else
//! is linked into the process).

use std::fs;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};
use crate::options::Options;

const FILES: [&str; 3] = ["tls_ca", "tls_cert", "tls_key"];

/// The configuration of TLS connections; `None` without TLS.
///
/// # Errors
///
/// `Config`: a file that cannot be read or is not PEM, a client certificate without its key or the
/// reverse, or a system without trusted roots.
pub(in crate::providers::redis) fn read(options: &Options, tls: bool) -> Result<Option<Arc<ClientConfig>>> {
    if !tls {
        return match FILES.into_iter().find(|name| options.get(name).is_some()) {
            Some(name) => Err(Error::config(format!("option {name:?} needs tls = true (or rediss://)"))),
            None => Ok(None),
        };
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::config("TLS cannot be set up").with_source(source))?
        .with_root_certificates(roots(options)?);
    let config = match (options.text("tls_cert")?, options.text("tls_key")?) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates("tls_cert", &cert)?;
            let key = PrivateKeyDer::from_pem_slice(&file("tls_key", &key)?)
                .map_err(|_| Error::config("option \"tls_key\" names a file without a PEM private key"))?;
            builder.with_client_auth_cert(chain, key).map_err(|source| {
                Error::config("options \"tls_cert\" and \"tls_key\" do not go together").with_source(source)
            })?
        }
        _ => return Err(Error::config("options \"tls_cert\" and \"tls_key\" go together; give both")),
    };
    Ok(Some(Arc::new(config)))
}

fn roots(options: &Options) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match options.text("tls_ca")? {
        Some(path) => {
            for certificate in certificates("tls_ca", &path)? {
                roots.add(certificate).map_err(|source| {
                    Error::config("option \"tls_ca\" names a file with a wrong certificate")
                        .with_source(source)
                })?;
            }
        }
        None => {
            // One bad file of the system does not make the others useless.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(Error::config(
            "this system has no trusted certificates; install them (ca-certificates), or name a PEM file \
             by the option \"tls_ca\"",
        ));
    }
    Ok(roots)
}

fn certificates(option: &str, path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let pem = file(option, path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    read.ok()
        .filter(|read| !read.is_empty())
        .ok_or_else(|| Error::config(format!("option {option:?} names a file without PEM certificates")))
}

/// The contents of a file. Errors do not show its path: it may be the key itself, given by mistake.
fn file(option: &str, path: &str) -> Result<Vec<u8>> {
    if path.contains("-----BEGIN") {
        return Err(Error::config(format!(
            "option {option:?} takes the path of a PEM file, and got what should be in it; write it to a file"
        )));
    }
    fs::read(path).map_err(|source| {
        let message = format!("option {option:?} names a file that cannot be read ({source})");
        Error::config(message).with_source(source)
    })
}
