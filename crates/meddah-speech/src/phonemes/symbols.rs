//! The International Phonetic Alphabet, as far as voices know it: which signs are vowels, and where one sound ends.
//!
//! English vowels that glide (`eɪ`) and the two stops with a hiss (`tʃ`, `dʒ`) are one sound here, because a
//! mouth makes them in one movement.

/// Before the vowel or the syllable that is stressed.
pub const PRIMARY_STRESS: char = 'ˈ';
/// Likewise, a little.
pub const SECONDARY_STRESS: char = 'ˌ';
/// What came before lasts longer.
pub const LONG: char = 'ː';

const VOWELS: &str = "aeiouyæøœɐɑɒɔɘəɚɛɜɝɞɤɨɪɯɵɶʉʊʌʏᵻᵊ";
const CONSONANTS: &str = "bcdfhjklmnpqrstvwxzçðħŋɓɕɖɗɟɠɡɢɣɥɦɧɫɬɭɮɰɱɲɳɴɸɹɺɻɽɾʀʁʂʃʄʈʋʍʎʐʑʒʔʕʙʛʜʝʟʡʢβθχⱱ";
/// Two signs, one sound.
const PAIRS: [&str; 11] = ["eɪ", "aɪ", "ɔɪ", "aʊ", "oʊ", "əʊ", "eə", "ɪə", "ʊə", "tʃ", "dʒ"];

/// Whether this sign can be the heart of a syllable.
pub fn is_vowel(sign: char) -> bool {
    VOWELS.contains(sign)
}

/// Whether this sign is heard, in contrast to stress and length.
pub fn is_sound(sign: char) -> bool {
    is_vowel(sign) || CONSONANTS.contains(sign)
}

/// Whether this is a sign that may stand in a pronunciation.
pub fn is_known(sign: char) -> bool {
    is_sound(sign) || [PRIMARY_STRESS, SECONDARY_STRESS, LONG, ' ', '.'].contains(&sign)
}

/// One sound of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phone<'a> {
    /// Its signs without stress: `iː`, `tʃ`, `k`.
    pub ipa: &'a str,
    /// Where it begins in the word, bytes.
    pub begin: usize,
    /// A mark of stress stood before it.
    pub stressed: bool,
}

impl Phone<'_> {
    /// Whether it can be the heart of a syllable.
    pub fn is_vowel(&self) -> bool {
        self.ipa.starts_with(is_vowel)
    }
}

/// The sounds of a word in order.
pub fn phones(ipa: &str) -> Vec<Phone<'_>> {
    let mut found = Vec::new();
    let mut stressed = false;
    let mut rest = ipa;
    while let Some(sign) = rest.chars().next() {
        let pair = PAIRS.iter().find(|pair| rest.starts_with(**pair));
        let mut length = pair.map_or(sign.len_utf8(), |pair| pair.len());
        if is_sound(sign) {
            let longer = rest[length..].chars().take_while(|sign| *sign == LONG);
            length += longer.map(char::len_utf8).sum::<usize>();
            let begin = ipa.len() - rest.len();
            found.push(Phone { ipa: &rest[..length], begin, stressed });
            stressed = false;
        } else if sign == PRIMARY_STRESS || sign == SECONDARY_STRESS {
            stressed = true;
        }
        rest = &rest[length..];
    }
    found
}

#[cfg(test)]
/// How many syllables a word has, by its vowels.
pub fn syllables(ipa: &str) -> usize {
    phones(ipa).iter().filter(|phone| phone.is_vowel()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_of_two_signs_are_one_and_stress_goes_to_the_next() {
        let split = |ipa| phones(ipa).iter().map(|phone| phone.ipa).collect::<Vec<_>>().join(" ");
        assert_eq!(split("ˈdʒeɪlɚ"), "dʒ eɪ l ɚ");
        assert_eq!(split("dovɑːkˈiːn"), "d o v ɑː k iː n");
        assert!(phones("kˈiːn")[1].stressed && !phones("kˈiːn")[2].stressed);
        assert_eq!(syllables("dovɑːkˈiːn"), 3);
        assert_eq!(syllables("ʃː?"), 0);
    }

    #[test]
    fn no_sign_is_both_vowel_and_consonant() {
        assert!(VOWELS.chars().all(|sign| !CONSONANTS.contains(sign)));
    }
}
