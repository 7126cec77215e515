//! "did you mean `voice`?"

/// A name further off than this is not suggested (Jaro-Winkler similarity).
const SIMILARITY_MIN: f64 = 0.8;

/// The known name that was probably meant.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let scored = known.into_iter().map(|other| (strsim::jaro_winkler(other, name), other));
    scored.filter(|(score, _)| *score >= SIMILARITY_MIN).max_by(|a, b| a.0.total_cmp(&b.0)).map(|best| best.1)
}
