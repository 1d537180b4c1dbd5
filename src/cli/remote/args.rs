//! What can be typed after these commands.

use clap::Subcommand;

/// Which gateway, where it is not the one of this machine's state directory.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Remote {
    /// Ask the gateway at this address, such as wss://home.example, instead of the service here.
    #[arg(long, global = true, value_name = "URL", env = "TELSON_GATEWAY_URL")]
    pub(crate) url: Option<String>,
    /// The gateway's token. In the environment nobody else on the machine can read it.
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "TELSON_GATEWAY_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
    /// Take no other certificate than the one with this SHA-256, and this one whoever has signed it.
    #[arg(long, global = true, value_name = "SHA256", env = "TELSON_GATEWAY_TLS_FINGERPRINT")]
    pub(crate) tls_fingerprint: Option<String>,
}

impl Remote {
    /// The address; an empty variable is none.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Call one method and print what it answers.
    Call(CallArgs),
    /// Show where the gateway is reached, and what its certificate is known by.
    Status,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CallArgs {
    /// The method, such as health or sessions.list.
    pub(crate) method: String,
    /// Its parameters.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(crate) params: String,
    /// Longest wait, in seconds. Only with --url.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
    /// Wait for the last answer of a method that first accepts its work. Only with --url.
    #[arg(long)]
    pub(crate) expect_final: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ChatArgs {
    /// The session's key [default: the main session].
    #[arg(long, value_name = "KEY")]
    pub(crate) session: Option<String>,
    /// Say this, print the answer and leave.
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChannelCommand {
    /// Show how the channels are.
    Status {
        /// Let each account try its platform now.
        #[arg(long)]
        probe: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List who waits to be let in and who is.
    List,
    /// Let in who waits.
    Approve {
        /// The number of the request, as `devices list` shows it.
        request: String,
    },
    /// Turn away who waits.
    Reject {
        /// The number of the request.
        request: String,
    },
    /// Forget a device that was let in.
    Remove {
        /// The device's id.
        device: String,
    },
    /// Give a device a new token in place of the old one, and print it.
    Rotate {
        /// The device's id.
        device: String,
        /// The role the token is for.
        #[arg(long, default_value = "operator")]
        role: String,
        /// What it may do [default: what the old one may].
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
    },
    /// Take a device's token away.
    Revoke {
        /// The device's id.
        device: String,
        /// The role the token is for.
        #[arg(long, default_value = "operator")]
        role: String,
    },
}
