//! What a `meddah host` says beside the words, in comments: one's place in its queue, and when little is left of a
//! quota. A player hears of each once, and again when it is something else.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::wire::Event;
use crate::Notice;
use crate::budget::format_micro;

/// Shorter waits are not worth a word, in milliseconds.
const WAIT_TOLD_MS_MIN: u64 = 1_000;

/// The header of requests by which a host is asked for all of it.
pub(super) const ASKS_FOR_REMARKS: (&str, &str) = ("x-meddah-queue", "events");

/// Where a request stands.
#[derive(Deserialize)]
struct Place {
    position: u32,
    wait_ms: u64,
}

/// Of which limit little is left.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct NearEnd {
    unit: String,
    period: String,
    left: u64,
    of: u64,
}

impl NearEnd {
    fn notice(&self) -> Notice {
        let (share, period) = (share_in_words(&self.unit, self.left, self.of), &self.period);
        Notice {
            code: "host_near_end".into(),
            message: format!("{share} of this {period} are left at the host"),
            help: format!(
                "When nothing is left, the next model of the ladder answers until the {period} is over. `meddah budget` \
                 shows what is left."
            ),
        }
    }
}

/// `12 of 200 turns`: so much of a quota, of a unit as hosts call it.
pub fn share_in_words(unit: &str, left: u64, of: u64) -> String {
    match unit {
        "micro" => format!("{} of {} dollars", format_micro(left), format_micro(of)),
        "speech_ms" => format!("{} of {} seconds of speech", left / 1000, of / 1000),
        unit => format!("{left} of {of} {unit}"),
    }
}

/// What a host has said of a quota, over all replies.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Option<NearEnd>>);

impl Heard {
    /// Whether it is news: another limit, a new day, or half of what was left is gone.
    fn is_news(&self, now: &NearEnd) -> bool {
        let mut before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = before.as_ref().is_some_and(|before| {
            let same = (&before.unit, &before.period, before.of) == (&now.unit, &now.period, now.of);
            same && now.left <= before.left && now.left > before.left / 2
        });
        if !known {
            *before = Some(now.clone());
        }
        !known
    }
}

/// The comments of one reply.
#[derive(Default)]
pub(super) struct Remarks {
    heard: Arc<Heard>,
    /// The wait that the player was told last, in milliseconds.
    told_ms: Option<u64>,
}

impl Remarks {
    pub fn new(heard: Arc<Heard>) -> Remarks {
        Remarks { heard, told_ms: None }
    }

    /// What a comment means. One that is not understood means nothing.
    pub fn comment(&mut self, text: &str) -> Option<Event> {
        let (what, json) = text.split_once(' ')?;
        let notice = match what {
            "queue" => self.waiting(&serde_json::from_str(json).ok()?),
            "near-end" => {
                let near_end: NearEnd = serde_json::from_str(json).ok()?;
                self.heard.is_news(&near_end).then(|| near_end.notice())
            }
            _ => None,
        };
        notice.map(Event::Remark)
    }

    fn waiting(&mut self, place: &Place) -> Option<Notice> {
        let wait = place.wait_ms;
        let is_news = self.told_ms.is_none_or(|told| wait <= told / 2 || wait / 2 >= told);
        if wait < WAIT_TOLD_MS_MIN || !is_news {
            return None;
        }
        self.told_ms = Some(wait);
        // A host of which no engine answers cannot tell for how long.
        let until = if wait == u64::MAX {
            "until one of its models answers".to_owned()
        } else {
            format!("for about {} s", wait.div_ceil(1000))
        };
        Some(Notice {
            code: "host_busy".into(),
            message: format!("the host is busy: you are number {} in line, {until}", place.position),
            help: "Nothing is to be done; the answer comes by itself.".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(remarks: &mut Remarks, text: &str) -> Option<String> {
        remarks.comment(text).map(|event| match event {
            Event::Remark(notice) => format!("{}: {}", notice.code, notice.message),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_wait_is_told_once_and_when_it_is_another() {
        let mut remarks = Remarks::default();
        let mut wait = |ms: u64| said(&mut remarks, &format!("queue {{\"position\":3,\"wait_ms\":{ms}}}"));
        assert_eq!(wait(900), None);
        let first = "host_busy: the host is busy: you are number 3 in line, for about 5 s";
        assert_eq!(wait(4_200).as_deref(), Some(first));
        assert_eq!((wait(3_900), wait(2_200)), (None, None));
        assert!(wait(2_100).unwrap().ends_with("about 3 s"));
        assert!(wait(u64::MAX).unwrap().ends_with("until one of its models answers"));
    }

    #[test]
    fn a_quota_near_its_end_is_told_once_over_all_replies_and_when_half_of_it_is_gone() {
        let heard = Arc::<Heard>::default();
        let left = |left: u64, unit: &str| {
            let text = format!(r#"near-end {{"unit":"{unit}","period":"day","left":{left},"of":2000000}}"#);
            said(&mut Remarks::new(heard.clone()), &text)
        };
        let first = "host_near_end: 19 of 2000000 turns of this day are left at the host";
        assert_eq!(left(19, "turns").as_deref(), Some(first));
        assert_eq!((left(18, "turns"), left(10, "turns")), (None, None));
        assert!(left(9, "turns").is_some());
        assert!(left(19, "turns").is_some(), "a new day");
        assert!(left(100_000, "micro").unwrap().contains("0.10 of 2.00 dollars"));
    }

    #[test]
    fn other_comments_mean_nothing() {
        for text in ["", "wait", "OPENROUTER PROCESSING", "queue", "queue {}", "near-end 5", "queue [1]"] {
            assert_eq!(said(&mut Remarks::default(), text), None, "{text:?}");
        }
    }
}
