//! Whether characters can be heard, and players too. Text goes on without, so nothing here is more than a warning.

use super::{Check, ok, warning};

/// Names that are listed.
const NAMES_SHOWN_MAX: usize = 6;

/// Names of devices that play and that record; or why they cannot be used, and what to do.
pub type DevicesFound = Result<(Vec<String>, Vec<String>), (String, String)>;

/// What was found of voices, ears and devices.
#[derive(Clone, Debug, Default)]
pub struct Speech {
    /// Who speaks, in the order of the settings.
    pub speakers: Vec<String>,
    /// Voices of people on this PC; without any, a robotic one speaks.
    pub voices: Vec<String>,
    /// Who understands players, or why nobody does.
    pub listener: Option<String>,
    /// Nothing where the build has no devices.
    pub devices: Option<DevicesFound>,
}

/// Looks at it.
pub fn check(speech: &Speech) -> [Check; 3] {
    [voice(speech), listener(speech), devices(speech)]
}

fn voice(speech: &Speech) -> Check {
    const LOCAL: &str = "local";
    match (&speech.speakers[..], &speech.voices[..]) {
        ([], _) => ok("voice", "nobody speaks: `speech.voices` is empty"),
        (speakers, []) if speakers.iter().all(|speaker| speaker == LOCAL) => warning(
            "voice",
            "no voice is installed: a robotic one speaks",
            "Install one with `meddah models pull voice-joe` (63 MB); `meddah models list` shows others.",
        ),
        (speakers, voices) => {
            let here = if voices.is_empty() { String::new() } else { format!(" ({})", listed(voices)) };
            ok("voice", format!("{}{here}", speakers.join(", then ")))
        }
    }
}

fn listener(speech: &Speech) -> Check {
    match &speech.listener {
        Some(name) => ok("listener", format!("{name} understands what players say aloud")),
        None => warning(
            "listener",
            "nobody understands what players say aloud; they can type",
            "Install a model with `meddah models pull whisper-base.en` (147 MB), or name a service in `speech.listeners`.",
        ),
    }
}

fn devices(speech: &Speech) -> Check {
    match &speech.devices {
        None => ok("devices", "games play and record themselves; this build does not"),
        Some(Ok((play, record))) if play.is_empty() && record.is_empty() => {
            ok("devices", "this PC has none; games play and record themselves")
        }
        Some(Ok((play, record))) => {
            let none = || "nothing".to_owned();
            let of = |names: &[String]| if names.is_empty() { none() } else { listed(names) };
            ok("devices", format!("play: {}; record: {}", of(play), of(record)))
        }
        Some(Err((message, help))) => warning("devices", message.as_str(), help.as_str()),
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn local() -> Vec<String> {
        vec!["local".into()]
    }

    #[test]
    fn what_is_missing_is_told_with_a_way_out() {
        let found = check(&Speech { speakers: local(), ..Speech::default() });
        assert!(found[..2].iter().all(|check| check.status == Status::Warning && !check.help.is_empty()));
        assert_eq!(found[2].status, Status::Ok);
        let denied = Some(Err(("the microphone cannot be used".into(), "Allow it.".into())));
        let found = check(&Speech { devices: denied, ..Speech::default() });
        assert_eq!((found[0].status, found[2].status), (Status::Ok, Status::Warning));
    }

    #[test]
    fn what_is_there_is_named() {
        let voices: Vec<String> = (0..8).map(|number| format!("voice{number}")).collect();
        let found = check(&Speech {
            speakers: vec!["elevenlabs".into(), "local".into()],
            voices,
            listener: Some("whisper-tiny.en".into()),
            devices: Some(Ok((vec!["Speakers".into()], Vec::new()))),
        });
        assert!(found.iter().all(|check| check.status == Status::Ok));
        assert!(found[0].message.contains("elevenlabs, then local (voice0,"), "{}", found[0].message);
        assert!(found[0].message.ends_with("and 2 more)"), "{}", found[0].message);
        assert_eq!(found[2].message, "play: Speakers; record: nothing");
    }
}
