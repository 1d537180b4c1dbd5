//! Named places where the process can be made to die, to prove that dying there loses nothing.
//!
//! Compiled into debug builds, and into release builds with the feature `crash-points`; otherwise
//! [`crash_point`] is nothing. The edge arms one point, which kills the whole process with SIGKILL
//! as it passes, as a power switch would. That it concerns the process, and not one engine in it,
//! is its purpose.

#[cfg(any(debug_assertions, feature = "crash-points"))]
mod armed;
#[cfg(any(debug_assertions, feature = "crash-points"))]
mod table;

#[cfg(any(debug_assertions, feature = "crash-points"))]
pub use armed::{arm, crash_point};
#[cfg(any(debug_assertions, feature = "crash-points"))]
pub use table::{ANSWER_UNWRITTEN, POINTS, TURN_ASKED};

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// What it is called.
    pub name: &'static str,
    /// The file it is passed in.
    pub place: &'static str,
    /// What has just happened, or is about to.
    pub about: &'static str,
}

/// Every point; none in a build without them.
#[cfg(not(any(debug_assertions, feature = "crash-points")))]
pub const POINTS: &[Point] = &[];

/// No point of this build.
#[cfg(not(any(debug_assertions, feature = "crash-points")))]
pub const TURN_ASKED: &str = "";

/// No point of this build.
#[cfg(not(any(debug_assertions, feature = "crash-points")))]
pub const ANSWER_UNWRITTEN: &str = "";

/// Nothing: this build has no crash points.
#[cfg(not(any(debug_assertions, feature = "crash-points")))]
#[inline(always)]
pub fn crash_point(_: &'static str) {}
