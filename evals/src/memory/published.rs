//! Where the fit begins: the weights of a linear model of the same form that others fitted to conversations of a
//! benchmark. Features that it does not have begin at nothing; its match of dates is our match of scenes.

use meddah_engine::memory::{Feature, Weights};

/// Without an embedding model.
pub(super) const BY_WORDS: Weights = Weights::new(&[
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

/// With one.
pub(super) const BY_MEANING: Weights = Weights::new(&[
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
