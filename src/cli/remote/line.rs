//! One way to ask for all commands: the control socket here, or a gateway that was named.

use serde_json::Value;

use super::super::args::Place;
use super::super::exit::Failure;
use super::reach::Reach;
use crate::control::Client;
use crate::gateway_client::GatewayClient;

/// An open connection to a service.
pub(in crate::cli) enum Line {
    /// To the service of a state directory.
    Control(Box<Client>),
    /// To a gateway.
    Gateway(Box<GatewayClient>),
}

impl Line {
    /// To whomever the person named.
    pub(in crate::cli) async fn open(place: &Place) -> Result<Self, Failure> {
        match place.remote.url() {
            Some(url) => Ok(Self::Gateway(Box::new(Reach::named(place, url)?.connect().await?))),
            None => Ok(Self::Control(Box::new(Client::connect(&place.state_dir()?).await?))),
        }
    }

    /// Asks one question.
    pub(in crate::cli) async fn call(
        &mut self,
        method: &str,
        params: Value,
    ) -> Result<Value, Failure> {
        match self {
            Self::Control(client) => Ok(client.call(method, params).await?),
            Self::Gateway(client) => Ok(client.call(method, params).await?),
        }
    }
}
