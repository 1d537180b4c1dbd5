//! What a platform can do, as data instead of default methods.

/// The unit in which a platform measures the length of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthUnit {
    /// UTF-8 bytes.
    Bytes,
    /// UTF-16 code units.
    Utf16,
    /// Unicode scalar values.
    Chars,
}

/// The limits and powers of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Longest text of one part, in [`Self::text_unit`].
    pub text_max: usize,
    /// The unit of [`Self::text_max`].
    pub text_unit: LengthUnit,
    /// How many attempts the account may have in flight at once, over all lanes.
    pub sends_in_flight_max: usize,
    /// Whether the platform's own record shows, also after a crash, whether a part went out. Then a
    /// receipt needs no sync of its own: one that is lost is found again.
    pub leaves_evidence: bool,
}
