//! Long recordings in pieces that can be listened to.

use meddah_speech::{LISTEN_RATE_HZ, UTTERANCE_MAX};

const RATE: usize = LISTEN_RATE_HZ as usize;
const UTTERANCE: usize = UTTERANCE_MAX.as_secs() as usize * RATE;
/// How long a pause is.
const PAUSE: usize = RATE * 3 / 10;
/// Places for it that are compared.
const STEP: usize = RATE / 50;

/// Pieces that are short enough, cut in the middle of the quietest moment of the second half.
pub fn utterances(mut samples: &[f32]) -> Vec<&[f32]> {
    let mut utterances = Vec::new();
    while samples.len() > UTTERANCE {
        let places = (UTTERANCE / 2..UTTERANCE - PAUSE).step_by(STEP);
        let power =
            |place: usize| samples[place..place + PAUSE].iter().map(|sample| sample * sample).sum::<f32>();
        let quietest = places.min_by(|&left, &right| power(left).total_cmp(&power(right)));
        let (first, rest) = samples.split_at(quietest.unwrap_or(UTTERANCE / 2) + PAUSE / 2);
        utterances.push(first);
        samples = rest;
    }
    utterances.push(samples);
    utterances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_recording_is_cut_where_it_is_quiet() {
        let mut samples = vec![0.5; 70 * RATE];
        samples[20 * RATE..21 * RATE].fill(0.0);
        let cut = utterances(&samples);
        assert!((20 * RATE..21 * RATE).contains(&cut[0].len()), "{}", cut[0].len());
        assert!(cut.iter().all(|piece| piece.len() <= UTTERANCE));
        assert_eq!(cut.iter().map(|piece| piece.len()).sum::<usize>(), samples.len());
        assert_eq!(utterances(&samples[..RATE]).len(), 1);
    }
}
