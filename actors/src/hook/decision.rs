//! What modifying hooks answer, and what several answers come to. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{HookEvent, Moment};

/// What a hook wants changed. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Decision {
    /// `before_agent_start`: the system prompt of this turn.
    pub system_prompt: Option<String>,
    /// `before_agent_start`: what stands below the system prompt for this turn.
    pub prepend_context: Option<String>,
    /// `before_tool_call`: other arguments.
    pub params: Option<Map<String, Value>>,
    /// `before_tool_call`: the call is not made.
    pub block: Option<bool>,
    /// Why, in words for the model.
    pub block_reason: Option<String>,
    /// `message_sending`, `tool_result_persist`: another text.
    pub content: Option<String>,
    /// `message_sending`: nothing is sent.
    pub cancel: Option<bool>,
}

/// A hook has stopped what was about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Which.
    pub hook: String,
    /// Its reason.
    pub reason: Option<String>,
}

impl Decision {
    /// Reads what a program wrote. Nothing at all is nothing to change.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text).map_err(|error| format!("answered no decision: {error}"))
    }

    /// What has been decided, by the names of its keys.
    fn keys(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("systemPrompt", self.system_prompt.is_some()),
            ("prependContext", self.prepend_context.is_some()),
            ("params", self.params.is_some()),
            ("block", self.block.is_some()),
            ("blockReason", self.block_reason.is_some()),
            ("content", self.content.is_some()),
            ("cancel", self.cancel.is_some()),
        ];
        keys.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key)
    }

    fn check(&self, moment: Moment) -> Result<(), String> {
        let allowed = moment.answers();
        match self.keys().find(|key| !allowed.contains(key)) {
            None => Ok(()),
            Some(key) if allowed.is_empty() => {
                Err(format!("answered {key:?}, but nothing can be decided at {moment}"))
            }
            Some(key) => Err(format!(
                "answered {key:?}, which is not decided at {moment}; there it is {}",
                allowed.join(", ")
            )),
        }
    }

    /// Lays this decision of `hook` on what is about to happen.
    ///
    /// # Errors
    /// A decision of another moment, in words; nothing is changed.
    pub(super) fn apply(
        self,
        hook: &str,
        event: &mut HookEvent,
    ) -> Result<Option<Stopped>, String> {
        self.check(event.moment())?;
        if self.block == Some(true) || self.cancel == Some(true) {
            return Ok(Some(Stopped { hook: hook.to_owned(), reason: self.block_reason }));
        }
        match event {
            HookEvent::BeforeAgentStart { system_prompt, prepend_context, .. } => {
                replace(system_prompt, self.system_prompt);
                if let Some(added) = self.prepend_context.filter(|added| !added.is_empty()) {
                    let gap = if prepend_context.is_empty() { "" } else { "\n\n" };
                    prepend_context.push_str(gap);
                    prepend_context.push_str(&added);
                }
            }
            HookEvent::BeforeToolCall { params, .. } => replace(params, self.params),
            HookEvent::ToolResultPersist { content, .. }
            | HookEvent::MessageSending { content, .. } => replace(content, self.content),
            HookEvent::GatewayStart
            | HookEvent::GatewayStop
            | HookEvent::SessionStart { .. }
            | HookEvent::SessionEnd { .. }
            | HookEvent::MessageReceived { .. }
            | HookEvent::AgentEnd { .. }
            | HookEvent::AfterToolCall { .. }
            | HookEvent::BeforeCompaction { .. }
            | HookEvent::AfterCompaction { .. }
            | HookEvent::MessageSent { .. } => {}
        }
        Ok(None)
    }
}

fn replace<T>(value: &mut T, with: Option<T>) {
    if let Some(with) = with {
        *value = with;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sending(content: &str) -> HookEvent {
        HookEvent::MessageSending {
            session: "s".into(),
            agent: "main".into(),
            channel: "fake".into(),
            account: "default".into(),
            to: "anna".into(),
            content: content.into(),
        }
    }

    #[test]
    fn a_decision_of_another_moment_changes_nothing() {
        let mut event = sending("hi");
        let wrong = Decision::read(r#"{"content": "ho", "block": true}"#).unwrap();
        let error = wrong.apply("x", &mut event).unwrap_err();
        assert!(error.contains("\"block\"") && error.contains("content, cancel"), "{error}");
        assert_eq!(event, sending("hi"));
        let error = Decision::read(r#"{"contnet": "ho"}"#).unwrap_err();
        assert!(error.contains("contnet"), "{error}");
        assert_eq!(Decision::read(" \n"), Ok(Decision::default()));
    }

    #[test]
    fn contexts_add_up_and_system_prompts_replace() {
        let mut event = HookEvent::BeforeAgentStart {
            session: "s".into(),
            agent: "main".into(),
            turn: 1,
            prompt: "hi".into(),
            system_prompt: "be".into(),
            prepend_context: String::new(),
        };
        for answer in [
            r#"{"prependContext": "one"}"#,
            "{}",
            r#"{"systemPrompt": "be kind", "prependContext": "two"}"#,
        ] {
            assert_eq!(Decision::read(answer).unwrap().apply("x", &mut event), Ok(None));
        }
        let HookEvent::BeforeAgentStart { system_prompt, prepend_context, .. } = event else {
            panic!("the event stays what it was");
        };
        assert_eq!((system_prompt.as_str(), prepend_context.as_str()), ("be kind", "one\n\ntwo"));
    }

    proptest! {
        #[test]
        fn false_undoes_nothing_and_true_is_final(cancels in prop::collection::vec(any::<Option<bool>>(), 0..6)) {
            let mut event = sending("hi");
            let mut stopped = None;
            for (nth, cancel) in cancels.iter().enumerate() {
                let decision = Decision { cancel: *cancel, ..Decision::default() };
                stopped = decision.apply(&nth.to_string(), &mut event).unwrap();
                if stopped.is_some() { break }
            }
            let first = cancels.iter().position(|cancel| *cancel == Some(true));
            prop_assert_eq!(stopped.map(|stopped| stopped.hook), first.map(|nth| nth.to_string()));
            prop_assert_eq!(event, sending("hi"));
        }

        #[test]
        fn no_output_of_a_program_panics(text in ".{0,200}") {
            if let Ok(decision) = Decision::read(&text) {
                drop(decision.apply("x", &mut sending("hi")));
            }
        }
    }
}
