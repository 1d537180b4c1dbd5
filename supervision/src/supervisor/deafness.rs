//! Children that are up but deaf: they complete nothing for longer than they may.

use std::time::Duration;

use super::branch::Branch;
use super::{Myself, SupervisorMessage};
use crate::event::EventKind;

/// How often children with a silence limit are looked at, as a part of the shortest limit.
const CHECKS_PER_LIMIT: u32 = 4;

impl Branch {
    /// Kills children that completed nothing for too long; their end then counts as any failure.
    pub(super) fn kill_the_deaf(&mut self) {
        for child in &mut self.children {
            let (Some(limit), Some((cell, started))) = (child.spec.silence_max, &child.running)
            else {
                continue;
            };
            let since_start = started.elapsed();
            let idle = child
                .spec
                .health
                .as_ref()
                .and_then(crate::Health::idle)
                .map_or(since_start, |idle| idle.min(since_start));
            if idle > limit && child.deaf.is_none() {
                child.deaf = Some(idle);
                self.spec.events.emit(&self.spec.path, &child.spec.id, EventKind::Deaf(idle));
                cell.kill();
            }
        }
    }

    pub(super) fn schedule_silence_check(&self, myself: &Myself) {
        let shortest = self.children.iter().filter_map(|child| child.spec.silence_max).min();
        if let Some(limit) = shortest {
            let pause = (limit / CHECKS_PER_LIMIT).max(Duration::from_millis(1));
            myself.send_after(pause, || SupervisorMessage::CheckSilence);
        }
    }
}

/// Why a deaf child ended.
pub(super) fn reason(idle: Duration) -> String {
    format!("deaf: completed nothing for {} ms", idle.as_millis())
}
