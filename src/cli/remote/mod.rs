//! Commands that ask a service through its gateway, here or on another machine.
//!
//! Without `--url` a question goes over the control socket, as those of every other command do;
//! what needs events, such as a chat, goes to the gateway of the service that answers there.

mod args;
mod attempt;
mod call;
mod channels;
mod chat;
mod dashboard;
mod devices;
mod gateway_status;
mod health;
mod line;
mod lines;
mod reach;
mod sessions;
mod transcript;
mod waiting;

pub(super) use args::{CallArgs, ChannelCommand, ChatArgs, DeviceCommand, GatewayCommand, Remote};
pub(super) use line::Line;

use std::process::ExitCode;

use super::args::Place;
use super::exit::Failure;
use super::output::Output;

pub(super) async fn gateway(
    place: &Place,
    command: GatewayCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    match command {
        GatewayCommand::Call(args) => call::run(place, args, output).await,
        GatewayCommand::Status => gateway_status::run(place, output).await,
    }
}

pub(super) use channels::run as channels;
pub(super) use chat::run as chat;
pub(super) use dashboard::run as dashboard;
pub(super) use devices::run as devices;
pub(super) use health::run as health;
pub(super) use sessions::run as sessions;
