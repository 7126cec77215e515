//! What each sound is made of: resonances, buzz, breath and hiss.
//!
//! Frequencies of vowels are the means of men in G. E. Peterson and H. L. Barney, "Control methods used in a study of
//! the vowels" (1952); the rest follows Klatt's tables, rounded.

/// What the throat aims at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// The three moving resonances.
    pub formants_hz: [f32; 3],
    /// Buzz through the resonances, 0 to 1.
    pub voice: f32,
    /// Noise through the resonances.
    pub breath: f32,
    /// Noise beside them, made at the lips or teeth.
    pub hiss: f32,
    /// Where that noise is.
    pub hiss_hz: f32,
    /// How wide.
    pub hiss_width_hz: f32,
}

impl Default for Segment {
    fn default() -> Self {
        Segment {
            formants_hz: [500.0, 1500.0, 2500.0],
            voice: 0.0,
            breath: 0.0,
            hiss: 0.0,
            hiss_hz: 3000.0,
            hiss_width_hz: 1000.0,
        }
    }
}

impl Segment {
    /// The same mouth without sound.
    pub fn silent(self) -> Segment {
        Segment { voice: 0.0, breath: 0.0, hiss: 0.0, ..self }
    }

    fn voiced(first: f32, second: f32, third: f32, voice: f32) -> Segment {
        Segment { formants_hz: [first, second, third], voice, ..Segment::default() }
    }

    fn hissing(self, hiss: f32, hiss_hz: f32, hiss_width_hz: f32) -> Segment {
        Segment { hiss, hiss_hz, hiss_width_hz, ..self }
    }
}

/// Milliseconds.
const VOWEL_MS: f32 = 85.0;
const STRESSED_MS: f32 = 40.0;
const LONG_MS: f32 = 45.0;
const GLIDE_MS: f32 = 65.0;
const HISS_MS: f32 = 90.0;
const CLOSED_MS: f32 = 55.0;
const BURST_MS: f32 = 12.0;
const BREATH_MS: f32 = 30.0;

/// A sound as its parts and how long each is, ms. A sign that is not known is a murmur, never nothing.
pub fn segments(ipa: &str, stressed: bool) -> Vec<(Segment, f32)> {
    let signs: Vec<char> = ipa.chars().collect();
    let first = signs.first().copied().unwrap_or('ə');
    if let Some(parts) = consonant(ipa, first) {
        return parts;
    }
    let extra = if stressed { STRESSED_MS } else { 0.0 };
    let begins = vowel(first);
    match signs.get(1).copied() {
        Some('ː') => vec![(begins, VOWEL_MS + LONG_MS + extra)],
        Some(second) => vec![(begins, VOWEL_MS * 0.8 + extra), (vowel(second), VOWEL_MS * 0.8)],
        None => vec![(begins, VOWEL_MS + extra)],
    }
}

fn vowel(sign: char) -> Segment {
    let (first, second, third) = match sign {
        'i' => (270.0, 2290.0, 3010.0),
        'ɪ' | 'ᵻ' | 'ɨ' | 'y' | 'ʏ' => (390.0, 1990.0, 2550.0),
        'e' => (460.0, 2000.0, 2550.0),
        'ɛ' | 'œ' | 'ø' => (530.0, 1840.0, 2480.0),
        'æ' => (660.0, 1720.0, 2410.0),
        'a' | 'ɑ' => (730.0, 1090.0, 2440.0),
        'ʌ' | 'ɐ' => (640.0, 1190.0, 2390.0),
        'ɔ' | 'ɒ' => (570.0, 840.0, 2410.0),
        'o' => (470.0, 900.0, 2400.0),
        'ʊ' => (440.0, 1020.0, 2240.0),
        'u' | 'ʉ' | 'ɯ' => (300.0, 870.0, 2240.0),
        'ɜ' | 'ɚ' | 'ɝ' => (490.0, 1350.0, 1690.0),
        _ => (500.0, 1500.0, 2500.0),
    };
    Segment::voiced(first, second, third, 1.0)
}

fn consonant(ipa: &str, first: char) -> Option<Vec<(Segment, f32)>> {
    let lips = Segment::voiced(300.0, 900.0, 2200.0, 0.0);
    let teeth = Segment::voiced(300.0, 1700.0, 2600.0, 0.0);
    let palate = Segment::voiced(300.0, 2000.0, 2500.0, 0.0);
    let hums = |place: Segment, voice: f32| Segment { voice, ..place };
    let stop = |place: Segment, voice: f32, (hz, width): (f32, f32)| {
        let burst = hums(place, voice).hissing(1.5, hz, width);
        if voice > 0.0 {
            return vec![(hums(place, voice * 0.3), CLOSED_MS), (burst, BURST_MS)];
        }
        let breath = Segment { breath: 0.8, ..place };
        vec![(place, CLOSED_MS), (burst, BURST_MS), (breath, BREATH_MS)]
    };
    let rub = |place: Segment, voice: f32, (hiss, hz, width): (f32, f32, f32)| {
        vec![(hums(place, voice).hissing(hiss, hz, width), HISS_MS)]
    };
    let hush = (1.2, 3000.0, 1400.0);
    Some(match first {
        _ if ipa.starts_with("tʃ") => {
            let hiss = teeth.hissing(hush.0, hush.1, hush.2);
            vec![(teeth, CLOSED_MS), (hiss, HISS_MS * 0.7)]
        }
        _ if ipa.starts_with("dʒ") => {
            let hiss = hums(teeth, 0.4).hissing(0.6, hush.1, hush.2);
            vec![(hums(teeth, 0.3), CLOSED_MS * 0.8), (hiss, HISS_MS * 0.6)]
        }
        'p' => stop(lips, 0.0, (900.0, 1200.0)),
        'b' | 'β' => stop(lips, 0.5, (900.0, 1200.0)),
        't' | 'ʈ' => stop(teeth, 0.0, (4500.0, 1800.0)),
        'd' | 'ɖ' => stop(teeth, 0.5, (4000.0, 1800.0)),
        'k' | 'q' | 'c' => stop(palate, 0.0, (2000.0, 700.0)),
        'ɡ' | 'g' | 'ɟ' => stop(palate, 0.5, (2000.0, 700.0)),
        'ɾ' => vec![(hums(teeth, 0.4), 28.0)],
        'ʔ' => vec![(Segment::default(), 40.0)],
        'f' | 'ɸ' => rub(lips, 0.0, (0.5, 5000.0, 3000.0)),
        'v' | 'ʋ' => rub(lips, 0.5, (0.25, 5000.0, 3000.0)),
        'θ' => rub(teeth, 0.0, (0.45, 5500.0, 2500.0)),
        'ð' => rub(teeth, 0.6, (0.15, 5500.0, 2500.0)),
        's' => rub(teeth, 0.0, (1.2, 6000.0, 1500.0)),
        'z' => rub(teeth, 0.5, (0.7, 6000.0, 1500.0)),
        'ʃ' | 'ɕ' | 'ç' => rub(palate, 0.0, hush),
        'ʒ' | 'ʑ' => rub(palate, 0.5, (0.6, hush.1, hush.2)),
        'x' | 'χ' | 'ħ' => rub(palate, 0.0, (0.8, 1600.0, 700.0)),
        'h' | 'ɦ' => vec![(Segment { breath: 0.8, ..Segment::default() }, 65.0)],
        'm' => vec![(Segment::voiced(270.0, 1000.0, 2200.0, 0.6), GLIDE_MS)],
        'n' | 'ɲ' | 'ɳ' => vec![(Segment::voiced(270.0, 1600.0, 2600.0, 0.6), GLIDE_MS)],
        'ŋ' | 'ɴ' => vec![(Segment::voiced(270.0, 2000.0, 2700.0, 0.6), GLIDE_MS)],
        'l' | 'ɫ' | 'ʎ' | 'ɬ' => vec![(Segment::voiced(330.0, 1050.0, 2880.0, 0.7), GLIDE_MS)],
        'ɹ' | 'r' | 'ʁ' | 'ɻ' => vec![(Segment::voiced(330.0, 1060.0, 1380.0, 0.7), GLIDE_MS)],
        'w' | 'ʍ' => vec![(Segment::voiced(290.0, 610.0, 2150.0, 0.7), GLIDE_MS)],
        'j' | 'ɥ' => vec![(Segment::voiced(260.0, 2070.0, 3020.0, 0.7), GLIDE_MS)],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sound_lasts_and_a_stressed_vowel_longer() {
        let length = |ipa, stressed| segments(ipa, stressed).iter().map(|(_, ms)| ms).sum::<f32>();
        for ipa in ["iː", "eɪ", "tʃ", "p", "ɾ", "ʀ", "ə", "", "ɮ"] {
            assert!((20.0..250.0).contains(&length(ipa, true)), "{ipa}");
        }
        assert!(length("æ", true) > length("æ", false));
        assert!(length("iː", false) > length("ɪ", false));
    }

    #[test]
    fn vowels_buzz_and_hisses_hiss() {
        assert!(segments("ɑː", false)[0].0.voice > 0.9);
        assert!(segments("s", false)[0].0.hiss > 1.0 && segments("s", false)[0].0.voice == 0.0);
        assert!(segments("z", false)[0].0.voice > 0.0);
    }
}
