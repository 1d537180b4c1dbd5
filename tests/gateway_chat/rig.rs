//! A service with a gateway, and the model behind it.

use std::path::Path;

use serde_json::Value;

use crate::client::Client;
use crate::kit::{Home, Process};
use crate::model::Model;

pub(crate) const TOKEN: &str = "a-token-for-tests";

pub(crate) struct Rig {
    pub(crate) home: Home,
    pub(crate) model: Model,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let model = Model::start();
        let config = model.config();
        Self::with(model, &config)
    }

    /// With a model that sees pictures.
    pub(crate) fn seeing() -> Self {
        let model = Model::start();
        let mut config = model.config();
        config["models"]["providers"]["mock"]["models"][0]["input"] =
            serde_json::json!(["text", "image"]);
        Self::with(model, &config)
    }

    pub(crate) fn with(model: Model, config: &Value) -> Self {
        let home = Home::new();
        home.configure(&config.to_string());
        home.set_env("TELSON_GATEWAY_TOKEN", Path::new(TOKEN));
        Self { home, model }
    }

    pub(crate) fn start(&self) -> Process {
        self.home.start(&[])
    }
}

/// Where a service listens, by what it says when it starts.
pub(crate) fn url(service: &Process) -> String {
    let out = service.out();
    let at = out.find("ws://").expect("it says where its gateway is");
    out[at..].split_whitespace().next().unwrap().to_owned()
}

pub(crate) fn port(service: &Process) -> String {
    url(service).rsplit(':').next().unwrap().to_owned()
}

pub(crate) async fn client(service: &Process) -> Client {
    Client::connect(&url(service), TOKEN).await
}
