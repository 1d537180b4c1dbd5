//! A client built before TLS is set up is an error. Alone in its file: the set-up is process-wide.

use telson_actors::provider::anthropic::Anthropic;
use telson_actors::provider::openai::OpenAi;
use telson_actors::provider::{ConfigError, HttpConfig};

#[test]
fn a_client_without_a_crypto_provider_is_an_error() {
    let config = HttpConfig::new("https://provider.test/v1");
    assert!(matches!(OpenAi::new(config.clone()), Err(ConfigError::NoCrypto)));
    assert!(matches!(Anthropic::new(config), Err(ConfigError::NoCrypto)));
}
