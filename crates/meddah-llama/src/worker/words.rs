//! From tokens' bytes to words that can be shown: no half characters, and no stop string, not even the
//! beginning of one.

/// Bytes that wait to become words.
pub struct Words {
    stops: Vec<Vec<u8>>,
    held: Vec<u8>,
}

/// What can be shown now.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// A stop string follows: the reply is over.
    pub stopped: bool,
}

impl Words {
    /// Ends before any of these.
    pub fn new(stops: &[String]) -> Words {
        let stops = stops.iter().filter(|stop| !stop.is_empty());
        Words { stops: stops.map(|stop| stop.clone().into_bytes()).collect(), held: Vec::new() }
    }

    /// Adds bytes; what of them can be shown.
    pub fn push(&mut self, bytes: &[u8]) -> Shown {
        self.held.extend_from_slice(bytes);
        let found = self.stops.iter().filter_map(|stop| find(&self.held, stop)).min();
        if let Some(place) = found {
            self.held.truncate(place);
            return Shown { text: self.rest(), stopped: true };
        }
        let stop_begins = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let end = (self.held.len() - stop_begins).min(whole_characters(&self.held));
        let rest = self.held.split_off(end);
        let shown = std::mem::replace(&mut self.held, rest);
        Shown { text: String::from_utf8_lossy(&shown).into_owned(), stopped: false }
    }

    /// The reply is over: what was held back.
    pub fn rest(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        // A character that was never finished is not shown as a mark of damage.
        String::from_utf8_lossy(&held[..whole_characters(&held)]).into_owned()
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// How many of the last bytes could be the beginning of `stop`.
fn overlap(text: &[u8], stop: &[u8]) -> usize {
    let longest = text.len().min(stop.len().saturating_sub(1));
    (1..=longest).rev().find(|&length| text.ends_with(&stop[..length])).unwrap_or(0)
}

/// Bytes before a character that has begun and may still be finished.
fn whole_characters(bytes: &[u8]) -> usize {
    let mut end = 0;
    for chunk in bytes.utf8_chunks() {
        end += chunk.valid().len();
        let at_end = end + chunk.invalid().len() == bytes.len();
        if at_end && may_go_on(chunk.invalid()) {
            return end;
        }
        end += chunk.invalid().len();
    }
    end
}

/// The beginning of a character, cut off: what is invalid is only its length.
fn may_go_on(bytes: &[u8]) -> bool {
    let needed = match bytes.first() {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => return false,
    };
    bytes.len() < needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(text: &[u8], stops: &[&str], piece: usize) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(|&stop| stop.into()).collect();
        let mut words = Words::new(&stops);
        let mut all = String::new();
        for piece in text.chunks(piece) {
            let shown = words.push(piece);
            all += &shown.text;
            if shown.stopped {
                return (all, true);
            }
        }
        (all + &words.rest(), false)
    }

    #[test]
    fn words_end_before_the_first_stop_string() {
        for piece in 1..12 {
            let (text, stopped) =
                in_pieces("Hail.\nPlay on!\nPlayer: hi".as_bytes(), &["\nPlayer:", "zz"], piece);
            assert_eq!((text.as_str(), stopped), ("Hail.\nPlay on!", true));
        }
    }

    #[test]
    fn a_character_is_shown_only_when_whole() {
        let mut words = Words::new(&[]);
        let bytes = "🐉".as_bytes();
        assert_eq!(words.push(&bytes[..3]).text, "");
        assert_eq!(words.push(&bytes[3..]).text, "🐉");
        words.push(&bytes[..2]);
        assert_eq!(words.rest(), "");
    }

    proptest! {
        #[test]
        fn any_chunking_shows_the_same(text in "[aé🐉\n:]{0,30}", piece in 1_usize..9) {
            let whole = in_pieces(text.as_bytes(), &["\na:", "🐉🐉"], usize::MAX);
            prop_assert_eq!(in_pieces(text.as_bytes(), &["\na:", "🐉🐉"], piece), whole);
        }

        #[test]
        fn bytes_that_are_no_text_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            in_pieces(&bytes, &["ab"], 3);
        }
    }
}
