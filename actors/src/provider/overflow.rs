//! In which words providers and servers refuse a conversation that is too long, where neither a
//! code nor a type of its own says so.

/// Pieces of their sentences, in lower case; the figures in between are left out.
const WORDS: [&str; 13] = [
    // Gemini.
    "exceeds the maximum number of tokens allowed",
    // OpenAI and the servers that follow it; OpenRouter says "this endpoint's".
    "maximum context length is",
    "maximum context length of",
    // Mistral.
    "too large for model with",
    // xAI.
    "maximum prompt length is",
    // Moonshot.
    "exceeded model token limit",
    // llama.cpp, LM Studio.
    "exceeds the available context size",
    "context size has been exceeded",
    "greater than the context length",
    // Ollama.
    "exceeds the context length",
    "exceeds maximum context length",
    // Bedrock.
    "input is too long for requested model",
    // Proxies.
    "context window exceeded",
];

/// Whether this sentence of a refusal (400, 422), of a server's fault (500: older llama.cpp) or from
/// the middle of a stream says that the conversation is too long.
pub(super) fn is_told(status: u16, message: &str) -> bool {
    let message = message.to_lowercase();
    matches!(status, 200 | 400 | 422 | 500) && WORDS.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use crate::provider::FailureClass;
    use crate::provider::classify::classify;

    #[test]
    fn every_providers_own_words_are_understood() {
        for (status, message) in [
            (
                400,
                "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).",
            ),
            (
                400,
                "This endpoint's maximum context length is 128000 tokens. However, you requested about 130000.",
            ),
            (
                400,
                "This model's maximum prompt length is 131072 but the request contains 531207 tokens.",
            ),
            (
                422,
                "Prompt contains 40960 tokens, too large for model with 32768 maximum context length",
            ),
            (400, "Invalid request: Your request exceeded model token limit: 8192"),
            (
                500,
                "the request exceeds the available context size. try increasing the context size",
            ),
            (400, "input length exceeds maximum context length"),
        ] {
            let body = serde_json::json!({"error": {"message": message}}).to_string();
            assert_eq!(
                classify(status, &body, None).class,
                FailureClass::ContextOverflow,
                "{message}"
            );
        }
        let body = r#"{"error": {"message": "context_length is no parameter of this model"}}"#;
        assert_eq!(classify(400, body, None).class, FailureClass::Format);
        let body = r#"{"error": {"message": "maximum context length is"}}"#;
        assert_eq!(classify(429, body, None).class, FailureClass::RateLimit);
    }
}
