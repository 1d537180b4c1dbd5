//! How a gateway is reached: its address and its token, from whoever knows them.

use serde_json::json;

use super::super::args::Place;
use super::super::exit::Failure;
use crate::control::Client;
use crate::gateway::{Fingerprint, TOKEN_FILE};
use crate::gateway_client::{Address, GatewayClient};

/// Where, and with which secret.
pub(super) struct Reach {
    pub(super) address: Address,
    pub(super) token: Option<String>,
    pub(super) certificate: Option<Fingerprint>,
}

impl Reach {
    /// The gateway that was named, or that of the service running here.
    pub(super) async fn of(place: &Place) -> Result<Self, Failure> {
        match place.remote.url() {
            Some(url) => Self::named(place, url),
            None => Self::local(place).await,
        }
    }

    /// A token of this machine is none of another's business: only what was given goes there.
    pub(super) fn named(place: &Place, url: &str) -> Result<Self, Failure> {
        let address: Address = url.parse().map_err(Failure::rejected)?;
        let certificate = pinned(place)?;
        if certificate.is_some() && !address.is_secure() {
            let text = "--tls-fingerprint is for wss:// addresses: this one shows no certificate";
            return Err(Failure::rejected(text));
        }
        Ok(Self { address, token: given(place), certificate })
    }

    async fn local(place: &Place) -> Result<Self, Failure> {
        let state_dir = place.state_dir()?;
        let mut client = Client::connect(&state_dir).await?;
        let answer = client.call("telson.gateway.address", json!({})).await?;
        let url = answer["url"].as_str().unwrap_or_default();
        let address: Address = url.parse().map_err(Failure::failed)?;
        let kept = || std::fs::read_to_string(state_dir.join(TOKEN_FILE)).ok();
        let token = given(place).or_else(kept).map(|token| token.trim().to_owned());
        // Nobody but the service itself answers on its control socket.
        let told = answer["tlsFingerprint"].as_str().map(str::parse).transpose();
        let certificate = pinned(place)?.or(told.map_err(Failure::failed)?);
        Ok(Self { address, token, certificate })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<GatewayClient, Failure> {
        if self.address.is_exposed() {
            tell(&format!(
                "{} is not encrypted: whoever is on the way can read the token; use wss:// or a tunnel",
                self.address
            ));
        }
        let token = self.token.as_deref();
        Ok(GatewayClient::connect_pinned(&self.address, token, self.certificate).await?)
    }
}

/// The certificate that was named; an empty variable is none.
fn pinned(place: &Place) -> Result<Option<Fingerprint>, Failure> {
    let named = place.remote.tls_fingerprint.as_deref().filter(|text| !text.is_empty());
    named.map(str::parse).transpose().map_err(Failure::rejected)
}

fn given(place: &Place) -> Option<String> {
    let other = || std::env::var("OPENCLAW_GATEWAY_TOKEN").ok();
    place.remote.token.clone().or_else(other).filter(|token| !token.is_empty())
}

/// A word of warning, where no program reads.
fn tell(text: &str) {
    use std::io::Write;
    // A reader that has gone needs no warning.
    drop(writeln!(std::io::stderr().lock(), "telson: warning: {text}"));
}
