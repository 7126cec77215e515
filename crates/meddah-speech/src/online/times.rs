//! From what a service tells of times to marks without a gap.
//!
//! Services time words, signs or sounds, some of them in the pieces in which the sound comes, some not at all. A word
//! is marked when a later one has its time, so that nothing has to be taken back; its sounds are the service's where it
//! tells them, and otherwise ours, spread over its time.
//!
//! Where nothing is told, a mouth should move before the line is over: sounds are spread over what is heard at an usual
//! pace as it comes in, except for the last third of them, which takes what is left. A pace that is wrong is put right
//! there.

use std::ops::Range;
use std::time::Duration;

use super::loudness::Loudness;
use super::words::{Follower, TextWord, weight};
use crate::phonemes::symbols::phones;
use crate::{Mark, MarkKind};

/// A shorter silence between two words is part of the second one, seconds.
const SILENCE_MIN: f64 = 0.03;

/// How long a sound of weight 1 is at the usual pace, seconds: 14 English signs in a second.
const PACE: f64 = 0.06;
/// The share of sounds that is left for the end, where nobody tells times.
const SHARE_FOR_THE_END: f64 = 0.34;
/// How often what has come is looked at there, seconds.
const LOOK_EVERY: f64 = 0.25;
/// Sound that came last is not looked at yet: a pause in it may go on, seconds.
const LOOK_BACK: f64 = 0.15;

/// Times of one line, in seconds from its beginning.
#[derive(Debug)]
pub(super) struct Times {
    words: Vec<TextWord>,
    follower: Follower,
    /// Of each word, as far as they are known.
    told: Vec<Option<Range<f64>>>,
    /// Sounds that the service told, in order.
    sounds: Vec<(String, Range<f64>)>,
    /// The service tells times, sooner or later.
    is_timed: bool,
    /// The sound that was looked at where it does not.
    looked_at: f64,
    /// Words before this one are marked.
    marked: usize,
    /// Marks reach until here.
    at: f64,
    marks: Vec<Mark>,
}

impl Times {
    pub fn new(text: &str, words: Vec<TextWord>, is_timed: bool) -> Times {
        Times {
            told: vec![None; words.len()],
            words,
            follower: Follower::new(text),
            sounds: Vec::new(),
            is_timed,
            looked_at: 0.0,
            marked: 0,
            at: 0.0,
            marks: Vec::new(),
        }
    }

    /// The service says this then: a word, a part of one, or a sign.
    pub fn said(&mut self, said: &str, time: Range<f64>) {
        if !(time.start.is_finite() && time.end.is_finite()) {
            return;
        }
        let time = time.start.max(0.0)..time.end.max(time.start).max(0.0);
        let (from, until) = match self.follower.find(said) {
            None => return,
            Some(Ok(bytes)) => (bytes.start, bytes.end),
            // What is written in another way than it is spoken belongs to the next word.
            Some(Err(at)) => match self.words.iter().find(|word| word.bytes.end > at) {
                Some(word) => (word.bytes.start, word.bytes.end),
                None => return,
            },
        };
        for (word, told) in self.words.iter().zip(&mut self.told).skip(self.marked) {
            if word.bytes.start < until && from < word.bytes.end {
                *told = Some(match told.take() {
                    Some(told) => told.start.min(time.start)..told.end.max(time.end),
                    None => time.clone(),
                });
            }
        }
    }

    /// The service makes this sound then. What is no sign of the IPA counts as nothing told.
    pub fn sounded(&mut self, ipa: &str, time: Range<f64>) {
        let is_one = phones(ipa).len() == 1 && time.start.is_finite() && time.end >= time.start;
        let ipa = if is_one { ipa.to_owned() } else { String::new() };
        self.sounds.push((ipa, time));
    }

    /// Marks that end before `until`, the end of the sound that has come.
    pub fn take(&mut self, until: f64, loudness: &Loudness) -> Vec<Mark> {
        if let Some(known) = self.told.iter().rposition(Option::is_some) {
            self.take_told(known, until);
        }
        // At the same moments whatever the pieces in which the sound comes.
        while !self.is_timed && self.looked_at + LOOK_EVERY <= until {
            self.looked_at += LOOK_EVERY;
            self.take_at_usual_pace(self.looked_at - LOOK_BACK, loudness);
        }
        std::mem::take(&mut self.marks)
    }

    fn take_told(&mut self, known: usize, until: f64) {
        let ends = |place: &usize| self.told[*place].as_ref().is_some_and(|told| told.end <= until);
        if let Some(last) = (self.marked..known).rfind(ends) {
            self.mark_until(last + 1);
        }
    }

    fn take_at_usual_pace(&mut self, until: f64, loudness: &Loudness) {
        if until <= self.at {
            return;
        }
        let stretches = loudness.sounding(self.at..until);
        let whole: f64 = self.words.iter().map(TextWord::weight).sum();
        let before: f64 = self.words[..self.marked].iter().map(TextWord::weight).sum();
        let most = whole * (1.0 - SHARE_FOR_THE_END) - before;
        let sounding: f64 = stretches.iter().map(|stretch| stretch.end - stretch.start).sum();
        let (mut weight, mut count) = (0.0, 0);
        for word in &self.words[self.marked..] {
            let with = weight + word.weight();
            if with > most || with * PACE > sounding {
                break;
            }
            (weight, count) = (with, count + 1);
        }
        // A silence alone is no word.
        if count == 0 || !loudness.is_loud_between(self.at..until) {
            return;
        }
        let mut left = weight * PACE;
        let end = stretches.iter().find_map(|stretch| {
            let length = stretch.end - stretch.start;
            let ends_here = (left <= length).then_some(stretch.start + left);
            left -= length;
            ends_here
        });
        self.spread(count, end.unwrap_or(until), loudness);
    }

    /// The rest, when all sound is there.
    pub fn finish(&mut self, total: f64, loudness: &Loudness) -> Vec<Mark> {
        for told in self.told.iter_mut().flatten() {
            *told = told.start.min(total)..told.end.min(total);
        }
        if let Some(last) = (self.marked..self.words.len()).rfind(|place| self.told[*place].is_some()) {
            self.mark_until(last + 1);
        }
        if self.marked < self.words.len() {
            self.spread(self.words.len() - self.marked, total, loudness);
        }
        if total - self.at > 1e-6 {
            self.push_sound("", total);
        }
        std::mem::take(&mut self.marks)
    }

    /// Marks words up to this one, the last of which has a time. Those before it without one share in what is left
    /// before its end.
    fn mark_until(&mut self, end: usize) {
        let mut first = self.marked;
        for place in self.marked..end {
            let Some(told) = self.told[place].clone() else { continue };
            // Words without a time come before this one.
            let begin = if first < place { self.at } else { told.start.max(self.at) };
            self.silence(begin);
            self.mark_words(first..place + 1, told.end.max(self.at));
            first = place + 1;
        }
        self.marked = end;
        let at = self.at;
        self.sounds.retain(|(_, time)| time.end > at);
    }

    /// A silence before the next word, if it is long enough for a mouth to close.
    fn silence(&mut self, until: f64) {
        if until - self.at >= SILENCE_MIN {
            self.push_sound("", until);
        }
    }

    fn push_sound(&mut self, ipa: &str, until: f64) {
        let kind = MarkKind::Phoneme(ipa.to_owned());
        self.push(kind, self.at, until);
        self.at = until;
    }

    fn push(&mut self, kind: MarkKind, begin: f64, end: f64) {
        let time = |seconds: f64| Duration::from_secs_f64(seconds.max(0.0));
        self.marks.push(Mark { at: time(begin), duration: time(end).saturating_sub(time(begin)), kind });
    }

    /// Marks these words from here until then.
    fn mark_words(&mut self, places: Range<usize>, end: f64) {
        if places.len() == 1 && self.mark_with_told_sounds(places.start, end) {
            return;
        }
        let words: Vec<TextWord> = self.words[places].to_vec();
        let whole: f64 = words.iter().map(TextWord::weight).sum();
        let (begin, mut done) = (self.at, 0.0);
        for word in words {
            let share = word.weight();
            let place = |done: f64| begin + (end - begin) * done / whole;
            self.push(MarkKind::Word(word.bytes), place(done), place(done + share));
            for ipa in word.sounds {
                done += weight(&ipa);
                let until = place(done);
                self.push_sound(&ipa, until);
            }
        }
    }

    /// With the sounds that the service told for this time, if it told all of them.
    fn mark_with_told_sounds(&mut self, place: usize, end: f64) -> bool {
        let begin = self.at;
        let within = |time: &Range<f64>| (begin..end).contains(&((time.start + time.end) / 2.0));
        let told: Vec<(String, Range<f64>)> =
            self.sounds.iter().filter(|(_, time)| within(time)).cloned().collect();
        if told.is_empty() || told.iter().any(|(ipa, _)| ipa.is_empty()) {
            return false;
        }
        self.push(MarkKind::Word(self.words[place].bytes.clone()), begin, end);
        for (number, (ipa, _)) in told.iter().enumerate() {
            // Until the next begins, so that there is no gap.
            let until = told.get(number + 1).map_or(end, |(_, next)| next.start.clamp(self.at, end));
            self.push_sound(ipa, until);
        }
        true
    }

    /// Spreads the next words over the stretches that sound until then. A sound belongs to the stretch that its middle
    /// is in, so that silence stays silence.
    fn spread(&mut self, count: usize, end: f64, loudness: &Loudness) {
        let stretches = loudness.sounding(self.at..end.max(self.at));
        let sounding: f64 = stretches.iter().map(|stretch| stretch.end - stretch.start).sum();
        let words: Vec<TextWord> = self.words[self.marked..self.marked + count].to_vec();
        self.marked += count;
        let all: Vec<(usize, &String)> = words
            .iter()
            .enumerate()
            .flat_map(|(number, word)| word.sounds.iter().map(move |ipa| (number, ipa)))
            .collect();
        let whole: f64 = all.iter().map(|(_, ipa)| weight(ipa)).sum();
        let (mut done, mut next, mut passed) = (0.0, 0, 0.0);
        let mut ends = vec![self.at; words.len()];
        let mut begins: Vec<Option<(usize, f64)>> = vec![None; words.len()];
        for (number, stretch) in stretches.iter().enumerate() {
            passed += stretch.end - stretch.start;
            let is_last = number + 1 == stretches.len();
            let first = next;
            while next < all.len() {
                let share = weight(all[next].1);
                if !is_last && (done + share / 2.0) / whole * sounding > passed {
                    break;
                }
                done += share;
                next += 1;
            }
            let here = &all[first..next];
            let weights: f64 = here.iter().map(|(_, ipa)| weight(ipa)).sum();
            if here.is_empty() {
                continue;
            }
            self.silence(stretch.start);
            let (begin, mut part) = (self.at, 0.0);
            for (word, ipa) in here {
                begins[*word].get_or_insert((self.marks.len(), self.at));
                part += weight(ipa);
                self.push_sound(ipa, begin + (stretch.end - begin) * part / weights);
                ends[*word] = self.at;
            }
        }
        // From the last on, so that the places of those before stay right.
        for (word, (begin, end)) in words.iter().zip(begins.into_iter().zip(ends)).rev() {
            if let Some((place, begin)) = begin {
                self.push(MarkKind::Word(word.bytes.clone()), begin, end);
                if let Some(mark) = self.marks.pop() {
                    self.marks.insert(place, mark);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> Times {
        timed(true)
    }

    fn timed(is_timed: bool) -> Times {
        let word =
            |bytes, sounds: &str| TextWord { bytes, sounds: sounds.split(' ').map(str::to_owned).collect() };
        Times::new(
            "hi 12 you",
            vec![word(0..2, "h aɪ"), word(3..5, "t w ɛ l v"), word(6..9, "j uː")],
            is_timed,
        )
    }

    fn shown(marks: &[Mark]) -> String {
        let shown = marks.iter().map(|mark| {
            let kind = match &mark.kind {
                MarkKind::Word(bytes) => format!("[{}]", bytes.start),
                MarkKind::Phoneme(ipa) => ipa.clone(),
            };
            format!("{kind}@{}+{}", mark.at.as_millis(), mark.duration.as_millis())
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    fn tone(seconds: &[(f32, f64)]) -> Loudness {
        let mut loudness = Loudness::new(1000);
        for (level, seconds) in seconds {
            loudness.push(&vec![*level; (seconds * 1000.0) as usize]);
        }
        loudness
    }

    #[test]
    fn a_word_is_marked_when_the_next_has_its_time_and_its_sound_has_come() {
        let mut times = times();
        times.said("Hi", 0.1..0.4);
        let silence = tone(&[]);
        assert_eq!(shown(&times.take(9.0, &silence)), "");
        times.said("twelve", 0.4..0.6);
        assert_eq!(shown(&times.take(0.3, &silence)), "", "its sound is not here");
        assert_eq!(shown(&times.take(0.5, &silence)), "@0+100 [0]@100+300 h@100+100 aɪ@200+200");
        times.said("you", 0.7..1.2);
        let rest = times.finish(1.0, &tone(&[(0.5, 1.0)]));
        assert_eq!(
            shown(&rest),
            "[3]@400+200 t@400+36 w@436+36 ɛ@472+54 l@527+36 v@563+36 @600+100 [6]@700+300 j@700+100 uː@800+200",
            "no mark goes beyond the sound"
        );
    }

    #[test]
    fn a_word_that_nobody_timed_shares_with_the_next_and_sounds_that_are_told_count() {
        let mut times = times();
        times.said("hi", 0.0..0.2);
        for (ipa, begin) in [("h", 0.0), ("a", 0.05)] {
            times.sounded(ipa, begin..begin + 0.05);
        }
        times.said("you", 0.6..0.8);
        times.sounded("yy", 0.6..0.8);
        let marks = times.finish(0.9, &tone(&[(0.5, 0.9)]));
        assert_eq!(
            shown(&marks),
            "[0]@0+200 h@0+50 a@50+150 [3]@200+388 t@200+70 w@270+70 ɛ@341+105 l@447+70 v@517+70 \
             [6]@588+211 j@588+70 uː@658+141 @800+100"
        );
    }

    #[test]
    fn without_any_time_sounds_are_spread_over_what_is_heard() {
        let mut times = times();
        let marks = times.finish(1.0, &tone(&[(0.0, 0.1), (0.5, 0.3), (0.0, 0.2), (0.5, 0.3), (0.0, 0.1)]));
        let end = marks.last().unwrap();
        assert_eq!((end.at + end.duration).as_millis(), 1000);
        let silent = |ms: u128| {
            marks.iter().any(|mark| {
                mark.kind == MarkKind::Phoneme(String::new())
                    && mark.at.as_millis() <= ms
                    && (mark.at + mark.duration).as_millis() > ms
            })
        };
        assert!(
            silent(50) && !silent(200) && silent(500) && !silent(700) && silent(950),
            "{}",
            shown(&marks)
        );
        assert_eq!(marks.iter().filter(|mark| matches!(mark.kind, MarkKind::Word(_))).count(), 3);
        assert_eq!(marks[0].kind, MarkKind::Phoneme(String::new()));
        assert_eq!(marks[1].kind, MarkKind::Word(0..2));
    }

    #[test]
    fn a_mouth_moves_before_a_line_without_times_is_over() {
        let mut times = timed(false);
        let heard = [(0.0, 0.2), (0.5, 0.3), (0.0, 0.3), (0.5, 0.2)];
        assert_eq!(shown(&times.take(0.3, &tone(&heard[..1]))), "", "a silence is no word");
        let early = times.take(1.0, &tone(&heard));
        assert_eq!(shown(&early), "@0+200 [0]@200+180 h@200+60 aɪ@260+120", "the rest is for the end");
        let rest = times.finish(1.0, &tone(&heard));
        assert_eq!(rest[0].at, early[3].at + early[3].duration, "no gap");
        let end = rest.last().unwrap();
        assert_eq!((end.at + end.duration).as_millis(), 1000);
        assert_eq!(rest.iter().filter(|mark| matches!(mark.kind, MarkKind::Word(_))).count(), 2);
    }
}
