//! The weights that ship: what `evals -- fit-memory` prints, rounded. Decision 0014 tells what they were fitted to.

use super::features::{Feature, Weights};

/// Without an embedding model, and for the first stage with one.
pub const BY_WORDS: Weights = Weights::new(&[
    (Feature::NearWords, 5.71),
    (Feature::OwnWords, -0.81),
    (Feature::EncounterWords, 2.16),
    (Feature::Speaker, 1.01),
    (Feature::SaidBy, 1.07),
    (Feature::Time, 0.73),
    (Feature::Length, 0.87),
    (Feature::EndsAsking, -0.72),
    (Feature::Number, 0.49),
    (Feature::First, 0.81),
    (Feature::AfterQuestion, 1.11),
    (Feature::Answers, 0.59),
    (Feature::Scene, 3.74),
    (Feature::Happened, -0.78),
]);

/// With an embedding model.
pub const BY_MEANING: Weights = Weights::new(&[
    (Feature::NearWords, 2.76),
    (Feature::OwnWords, -1.81),
    (Feature::EncounterWords, 1.5),
    (Feature::NearMeaning, 4.46),
    (Feature::OwnMeaning, 1.9),
    (Feature::Speaker, 0.76),
    (Feature::SaidBy, 1.13),
    (Feature::Time, 0.63),
    (Feature::Length, 0.34),
    (Feature::EndsAsking, -0.83),
    (Feature::Number, 0.46),
    (Feature::First, 0.8),
    (Feature::AfterQuestion, 0.98),
    (Feature::Answers, 0.33),
    (Feature::AnswersMeaning, 0.62),
    (Feature::Scene, 3.57),
    (Feature::Happened, -0.46),
]);
