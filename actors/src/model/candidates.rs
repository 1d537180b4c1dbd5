//! The models a turn may ask, best first.

use super::ModelRef;

/// Models in the order in which they are asked. Never empty, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    first: ModelRef,
    others: Vec<ModelRef>,
}

impl Candidates {
    /// One model, and nothing in its place: a strict selection.
    pub fn strict(model: ModelRef) -> Self {
        Self { first: model, others: Vec::new() }
    }

    /// A model and what steps in for it. Repetitions are left out.
    pub fn new(first: ModelRef, fallbacks: impl IntoIterator<Item = ModelRef>) -> Self {
        let mut others: Vec<ModelRef> = Vec::new();
        for model in fallbacks {
            if model != first && !others.contains(&model) {
                others.push(model);
            }
        }
        Self { first, others }
    }

    /// The model that was selected.
    pub fn first(&self) -> &ModelRef {
        &self.first
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &ModelRef> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The one at a place; the first where there is none.
    pub fn at(&self, place: usize) -> &ModelRef {
        place.checked_sub(1).and_then(|place| self.others.get(place)).unwrap_or(&self.first)
    }

    /// Where a model stands.
    pub fn place_of(&self, model: &ModelRef) -> Option<usize> {
        self.iter().position(|candidate| candidate == model)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.others.len() + 1
    }
}

impl From<&str> for Candidates {
    /// A single model; a text without a `/` is a provider and its model of the same name.
    fn from(text: &str) -> Self {
        Self::strict(text.parse().unwrap_or_else(|_| ModelRef::new(text, text)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_stands_once_in_the_order_given(first in 0u8..6, fallbacks in prop::collection::vec(0u8..6, 0..8)) {
            let model = |n: &u8| ModelRef::new("p", n.to_string());
            let candidates = Candidates::new(model(&first), fallbacks.iter().map(model));
            let all: Vec<_> = candidates.iter().cloned().collect();
            prop_assert_eq!(all.len(), candidates.count());
            prop_assert_eq!(&all[0], candidates.first());
            for (place, one) in all.iter().enumerate() {
                prop_assert_eq!(candidates.place_of(one), Some(place));
                prop_assert_eq!(candidates.at(place), one);
            }
            let places: Vec<_> = all[1..].iter().map(|one| fallbacks.iter().position(|n| model(n) == *one)).collect();
            prop_assert!(places.is_sorted() && places.iter().all(Option::is_some));
            prop_assert!(fallbacks.iter().all(|n| all.contains(&model(n))));
        }
    }
}
