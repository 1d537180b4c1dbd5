//! When free space is too little, and when it is enough again.

/// Two marks, so that admission does not flutter around one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Bytes. With less free space nothing more is admitted.
    pub stop_below: u64,
    /// Bytes. With this much it is admitted again; not less than `stop_below`.
    pub resume_at: u64,
}

impl Watermark {
    /// Whether `free` bytes are too little, given what was decided before.
    pub fn is_low(self, was_low: bool, free: u64) -> bool {
        let needed = if was_low { self.resume_at.max(self.stop_below) } else { self.stop_below };
        free < needed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARK: Watermark = Watermark { stop_below: 64, resume_at: 96 };

    #[test]
    fn it_stops_at_one_mark_and_resumes_at_the_other() {
        let mut low = false;
        let decided = [100, 64, 63, 64, 95, 96, 70, 64, 10].map(|free| {
            low = MARK.is_low(low, free);
            low
        });
        assert_eq!(decided, [false, false, true, true, true, false, false, false, true]);
    }

    proptest! {
        #[test]
        fn it_changes_its_mind_only_beyond_a_mark(
            stop_below in 0u64..200, resume_at in 0u64..200, was_low: bool, free in 0u64..200,
        ) {
            let low = Watermark { stop_below, resume_at }.is_low(was_low, free);
            if low != was_low {
                let beyond =
                    if low { free < stop_below } else { free >= resume_at && free >= stop_below };
                prop_assert!(beyond);
            }
        }
    }
}
