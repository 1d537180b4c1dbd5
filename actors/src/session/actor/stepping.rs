//! Writing down the steps of a turn, and calling its tools.

use std::sync::Arc;

use super::{Myself, State, teller};
use crate::provider::{ToolCall, ToolResult, ToolStatus};
use crate::session::machine::Event;
use crate::session::record::turn_key;
use crate::session::steps::{StepId, StepRecord, step_key};
use crate::store::{Batch, StoreError};
use crate::tool::{CallKey, TOOLS, ToolMessage};

impl State {
    pub(super) async fn record(
        &mut self,
        turn: u64,
        step: StepId,
        record: &StepRecord,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        // A turn that gets further is not what ends the process: its crashes are counted anew.
        batch.put(step_key(&self.key, turn, step), record).delete(turn_key(&self.key));
        if let StepRecord::Answer { usage, .. } = record {
            let model = self.asked_of();
            self.count(&mut batch, &model, *usage)?;
        }
        let block = self.add_block(&mut batch, turn, record).await?;
        self.deps.store.commit(batch).await?;
        self.counted();
        self.deps.outbox.written(block);
        Ok(())
    }

    pub(super) fn call_tool(
        &self,
        myself: &Myself,
        turn: u64,
        step: StepId,
        call: ToolCall,
        again: bool,
    ) {
        let tell = teller(myself);
        let refused = ToolResult {
            call: call.id.clone(),
            name: call.name.clone(),
            text: "the tools are restarting; this call was not made".into(),
            status: ToolStatus::Failed,
        };
        let StepId { round, place } = step;
        let key = CallKey { session: self.key.clone(), turn, round, place };
        let agent = self.agent.clone();
        let heard = tell.clone();
        let reply = Arc::new(move |result| heard(Event::ToolDone(turn, step, result)));
        let message = ToolMessage::Call { key, agent, call, again, reply };
        // One that may have been made before is asked for again until the tools are back.
        if self.deps.registry.via(TOOLS).cast(message).is_err() && !again {
            tell(Event::ToolDone(turn, step, refused));
        }
    }
}
