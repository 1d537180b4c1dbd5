//! What a channel has to bring to be swept.

use std::path::Path;

use serde_json::Value;

use super::deeds::Deeds;
use super::imessage;
use super::plan::Course;
use crate::demo::audit::Audit;
use crate::demo::service::{Launch, ServiceError};
use crate::demo::stage::StageError;

/// Every channel that is swept.
pub const CHANNELS: &[Channel] = &[Channel { name: "imessage", build: imessage::build }];

/// A channel, and how to build a world around it.
#[derive(Debug, Clone, Copy)]
pub struct Channel {
    /// Its name.
    pub name: &'static str,
    /// Its world.
    pub build: Build,
}

/// Builds a world in a folder, for a program, with a setting and the address of its model.
pub type Build = fn(&Path, &Path, Unsettled, &str) -> Result<Box<dyn World>, SweepError>;

/// The setting for sends that no evidence settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsettled {
    /// They go out again: with a platform that takes no effect once it is dead, that is exact.
    Resend,
    /// They become dead letters. A missing answer has to be named by one.
    Park,
}

/// The surroundings of one service, with a record of their own. The service is never asked what it
/// believes to have sent.
pub trait World {
    /// How the service is started.
    fn launch(&self) -> Launch;

    /// Somebody writes message number `number`, whose answer takes this course.
    ///
    /// # Errors
    /// The world can't be written.
    fn write(&mut self, number: u32, course: Course) -> Result<(), SweepError>;

    /// Somebody is to be told of number `number` once, without having asked; answers where, as a job
    /// names it.
    fn tell(&mut self, number: u32) -> Value;

    /// A program that writes down that number `number` was done, and says it; as a job's payload has
    /// it.
    fn command(&mut self, number: u32) -> Value;

    /// The marks of all messages without an answer.
    ///
    /// # Errors
    /// The record can't be read.
    fn unanswered(&mut self) -> Result<Vec<String>, SweepError>;

    /// A person has put the answers to these marks back to work: their order is no promise.
    fn put_back(&mut self, marks: &[String]);

    /// Whether nothing can go out any more once the service has ended.
    ///
    /// # Errors
    /// The record can't be read.
    fn is_quiet(&self) -> Result<bool, SweepError>;

    /// What was lost, doubled and reordered, by the record.
    ///
    /// # Errors
    /// The record can't be read.
    fn audit(&self) -> Result<Audit, SweepError>;

    /// What the tools have done, by what they wrote themselves.
    ///
    /// # Errors
    /// The record can't be read.
    fn deeds(&self) -> Result<Deeds, SweepError>;
}

/// Why a sweep could not go on. That something is lost is no error: it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The world.
    #[error(transparent)]
    World(#[from] StageError),
    /// The service did not do what it has to.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A folder or file.
    #[error("{0}")]
    File(String),
}
