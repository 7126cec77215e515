//! Ends a reply before one of the texts that a mod names.

/// Looks for stop texts in words that come in pieces; what may be the beginning of one is held back.
#[derive(Debug, Default)]
pub(crate) struct StopFilter {
    stops: Vec<String>,
    held: String,
}

impl StopFilter {
    /// Stops before any of these.
    pub fn new(stops: &[String]) -> StopFilter {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        StopFilter { stops, held: String::new() }
    }

    /// What is said for sure now, and whether a stop was found.
    pub fn push(&mut self, text: &str) -> (String, bool) {
        self.held.push_str(text);
        if let Some(place) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            let said = self.held[..place].to_owned();
            self.held.clear();
            return (said, true);
        }
        let keep = self.held.len() - self.begun();
        let rest = self.held.split_off(keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back for nothing.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end that may be the beginning of a stop.
    fn begun(&self) -> usize {
        let ends = |stop: &String| {
            let starts = stop.char_indices().map(|(at, _)| at).skip(1);
            starts.filter(|&at| self.held.ends_with(&stop[..at])).max().unwrap_or(0)
        };
        self.stops.iter().map(ends).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(|&stop| stop.to_owned()).collect();
        let mut filter = StopFilter::new(&stops);
        let mut all = String::new();
        for piece in pieces {
            let (text, over) = filter.push(piece);
            all.push_str(&text);
            if over {
                return (all, true);
            }
        }
        (all + &filter.finish(), false)
    }

    #[test]
    fn a_stop_is_found_in_any_chunking_and_is_not_said() {
        for pieces in [&["Hello.\nAyla: Hi"][..], &["Hello.", "\nAy", "la", ": Hi"], &["Hello.\n", "Ayla:"]] {
            assert_eq!(said(&["\nAyla:"], pieces), ("Hello.".to_owned(), true), "{pieces:?}");
        }
        assert_eq!(said(&["\nAyla:", "é!"], &["Caf", "é", "?\nAyl"]), ("Café?\nAyl".to_owned(), false));
        assert_eq!(said(&["", "b", "ab"], &["xab"]), ("x".to_owned(), true));
    }

    proptest::proptest! {
        #[test]
        fn chunking_makes_no_difference(text in "[ab\u{e9}]{0,12}", cut in 0_usize..12, stop in "[ab\u{e9}]{1,3}") {
            let cut = text.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(text.len());
            let (one, two) = text.split_at(cut);
            proptest::prop_assert_eq!(said(&[&stop], &[one, two]), said(&[&stop], &[&text]));
        }
    }
}
