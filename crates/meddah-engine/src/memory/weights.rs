//! The weights that ship.

use super::features::{FEATURES, Feature, Weights};

const fn weights(listed: &[(Feature, f32)]) -> Weights {
    let mut values = [0.0; FEATURES];
    let mut at = 0;
    while at < listed.len() {
        values[listed[at].0 as usize] = listed[at].1;
        at += 1;
    }
    Weights(values)
}

/// Without an embedding model, and for the first stage with one.
pub const BY_WORDS: Weights = weights(&[
    (Feature::NearWords, 6.06),
    (Feature::OwnWords, -0.5),
    (Feature::EncounterWords, 2.41),
    (Feature::Speaker, 1.0),
    (Feature::Time, 0.75),
    (Feature::Length, 0.75),
    (Feature::EndsAsking, -0.68),
    (Feature::Number, 0.49),
    (Feature::First, 0.92),
    (Feature::AfterQuestion, 1.14),
    (Feature::Scene, 3.77),
]);

/// With an embedding model.
pub const BY_MEANING: Weights = weights(&[
    (Feature::NearMeaning, 4.6),
    (Feature::OwnMeaning, 2.0),
    (Feature::NearWords, 3.0),
    (Feature::OwnWords, -1.6),
    (Feature::EncounterWords, 1.7),
    (Feature::Speaker, 0.75),
    (Feature::Time, 0.65),
    (Feature::Length, 0.25),
    (Feature::EndsAsking, -0.8),
    (Feature::Number, 0.45),
    (Feature::First, 0.85),
    (Feature::AfterQuestion, 1.05),
    (Feature::Scene, 3.6),
]);
