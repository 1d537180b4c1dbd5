//! The name of a model: `provider/model`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A model of a provider. The provider's part holds no `/`; the model's own name may.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelRef {
    /// The configured name of its provider.
    pub provider: String,
    /// The provider's own name of it.
    pub model: String,
}

/// A text that names no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a model's name: write provider/model, such as openai/gpt-5")]
pub struct Malformed(pub String);

impl ModelRef {
    /// A model of a provider.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self { provider: provider.into(), model: model.into() }
    }
}

impl FromStr for ModelRef {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parts = text.split_once('/').map(|(provider, model)| (provider.trim(), model.trim()));
        match parts {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {
                Ok(Self::new(provider, model))
            }
            _ => Err(Malformed(text.to_owned())),
        }
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_first_slash_counts() {
        let model: ModelRef = " lab / a/b:c ".parse().unwrap();
        assert_eq!(model, ModelRef::new("lab", "a/b:c"));
        for text in ["", "/", "gpt-5", "openai/", "/gpt-5", " / "] {
            assert_eq!(text.parse::<ModelRef>(), Err(Malformed(text.into())), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(provider in "[a-z0-9.-]{1,9}", model in "[a-z0-9./:-]{0,9}[a-z]") {
            let name = ModelRef::new(provider, model);
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
}
