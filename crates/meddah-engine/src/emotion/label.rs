//! The ten labels, and what each is called elsewhere: one row per label, so that nothing drifts apart.
//!
//! Ten, because a model picks among them by likelihood and near-synonyms would split its vote; these ten
//! look and sound different on a face and in a voice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Pad;

/// What a character may feel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmotionLabel {
    /// Nothing in particular.
    #[default]
    Neutral,
    /// Glad.
    Joy,
    /// Fond of whom it talks to.
    Affection,
    /// Wanting to know.
    Curiosity,
    /// Taken unawares.
    Surprise,
    /// Grieved.
    Sadness,
    /// Afraid.
    Fear,
    /// Angry.
    Anger,
    /// Repelled.
    Disgust,
    /// Looking down on somebody.
    Contempt,
}

/// Not one of the ten words, nor a word known for one of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a known emotion")]
pub struct UnknownEmotion {
    /// What was written.
    pub word: String,
}

impl UnknownEmotion {
    /// What to write instead.
    pub fn help(&self) -> String {
        let names: Vec<&str> = EmotionLabel::ALL.iter().map(|label| label.name()).collect();
        format!("Use one of: {}.", names.join(", "))
    }
}

/// One label's names and place.
struct Row {
    name: &'static str,
    adjective: &'static str,
    pad: [f32; 3],
    go_emotions: &'static str,
    spaff: &'static str,
    ekman: &'static str,
    skyrim_net: &'static str,
    /// Further words of GoEmotions, SPAFF and everyday use that mean this label, with spaces between.
    also: &'static str,
}

/// The rows, in the order of [`EmotionLabel::ALL`].
///
/// Places in PAD space are those of ALMA (P. Gebhard, "ALMA: a layered model of affect", AAMAS 2005), which
/// puts the emotions of the OCC model into the space of A. Mehrabian (1996): joy, love (affection), distress
/// (sadness), fear, anger and reproach (contempt) are its numbers. ALMA has no surprise, curiosity and
/// disgust; those three are ours, chosen to lie apart from the others. Neutral is the origin.
const ROWS: [Row; 10] = [
    Row {
        name: "neutral",
        adjective: "calm",
        pad: [0.0, 0.0, 0.0],
        go_emotions: "neutral",
        spaff: "NEUTRAL",
        ekman: "neutral",
        skyrim_net: "neutral",
        also: "realization stonewalling relaxed indifferent indifference none no_emotion normal composed \
            collected bored boredom unmoved impassive even_tempered matter_of_fact acceptance resigned",
    },
    Row {
        name: "joy",
        adjective: "cheerful",
        pad: [0.4, 0.2, 0.1],
        go_emotions: "joy",
        spaff: "JOY",
        ekman: "happiness",
        skyrim_net: "joyful",
        also: "happy happiness joyful content contented amusement amused humor humour tense_humor excitement \
            excited optimism optimistic hope hopeful pride proud relief relieved glad delight delighted \
            pleased elated elation ecstatic ecstasy serene serenity merry jolly gleeful playful mischievous \
            teasing enthusiastic enthusiasm satisfied satisfaction triumphant thrilled overjoyed eager \
            smiling laughing jovial upbeat",
    },
    Row {
        name: "affection",
        adjective: "warm",
        pad: [0.3, 0.1, 0.2],
        go_emotions: "love",
        spaff: "AFFECTION",
        ekman: "happiness",
        skyrim_net: "content",
        also: "love loving caring gratitude grateful thankful admiration admiring approval approving \
            validation desire longing friendly fond affectionate tender tenderness warmth kind kindness \
            gentle compassion compassionate sympathy sympathetic empathy trust trusting touched moved \
            devoted flirtatious welcoming appreciative supportive comforting protective",
    },
    Row {
        name: "curiosity",
        adjective: "curious",
        pad: [0.2, 0.35, -0.05],
        go_emotions: "curiosity",
        spaff: "INTEREST",
        ekman: "neutral",
        skyrim_net: "neutral",
        also: "interest interested thoughtful intrigued inquisitive attentive anticipation vigilance thinking \
            pensive fascinated wondering contemplative pondering puzzled",
    },
    Row {
        name: "surprise",
        adjective: "surprised",
        pad: [0.1, 0.65, -0.25],
        go_emotions: "surprise",
        spaff: "SURPRISE",
        ekman: "surprise",
        skyrim_net: "surprised",
        also: "confusion confused shocked shock startled astonished astonishment amazed amazement bewildered \
            baffled stunned perplexed distraction incredulous disbelief awe speechless taken_aback",
    },
    Row {
        name: "sadness",
        adjective: "sad",
        pad: [-0.4, -0.2, -0.5],
        go_emotions: "sadness",
        spaff: "SADNESS",
        ekman: "sadness",
        skyrim_net: "sad",
        also: "grief grieving remorse remorseful regretful disappointment disappointed embarrassment \
            embarrassed whining gloomy melancholy melancholic hurt traumatized ashamed shame guilt guilty \
            sorrow sorrowful mournful dejected despair despairing hopeless lonely heartbroken miserable \
            unhappy distress wistful somber sombre tearful pensiveness weary upset",
    },
    Row {
        name: "fear",
        adjective: "afraid",
        pad: [-0.64, 0.60, -0.43],
        go_emotions: "fear",
        spaff: "TENSION",
        ekman: "fear",
        skyrim_net: "fearful",
        also: "fearful nervousness nervous tension tense worried worry concerned concern anxious anxiety \
            scared defensiveness defensive terror terrified frightened panic panicked apprehension \
            apprehensive uneasy wary alarmed dread horror horrified timid submission intimidated suspicious",
    },
    Row {
        name: "anger",
        adjective: "angry",
        pad: [-0.51, 0.59, 0.25],
        go_emotions: "anger",
        spaff: "ANGER",
        ekman: "anger",
        skyrim_net: "angry",
        also: "annoyance annoyed belligerence belligerent furious fury irritated irritation hostile hostility \
            rage enraged outraged outrage mad livid frustrated frustration indignant indignation resentful \
            resentment hate hatred hateful aggressive aggression aggressiveness wrathful wrath irate cross \
            seething exasperated offended bitter defiant vengeful impatient grumpy",
    },
    Row {
        name: "disgust",
        adjective: "disgusted",
        pad: [-0.45, 0.25, 0.1],
        go_emotions: "disgust",
        spaff: "DISGUST",
        ekman: "disgust",
        skyrim_net: "disgusted",
        also: "revolted revulsion repulsed repulsion repelled loathing aversion nauseated sickened grossed_out \
            appalled",
    },
    Row {
        name: "contempt",
        adjective: "scornful",
        pad: [-0.3, -0.1, 0.4],
        go_emotions: "disapproval",
        spaff: "CONTEMPT",
        ekman: "disgust",
        skyrim_net: "disgusted",
        also: "disapproval disapproving criticism critical domineering disdain disdainful mocking mockery \
            contemptuous scorn haughty dismissive condescending derisive sneering superior smug sarcastic \
            sarcasm arrogant scoffing cynical",
    },
];

impl EmotionLabel {
    /// All labels; the neutral one first.
    pub const ALL: [EmotionLabel; 10] = [
        EmotionLabel::Neutral,
        EmotionLabel::Joy,
        EmotionLabel::Affection,
        EmotionLabel::Curiosity,
        EmotionLabel::Surprise,
        EmotionLabel::Sadness,
        EmotionLabel::Fear,
        EmotionLabel::Anger,
        EmotionLabel::Disgust,
        EmotionLabel::Contempt,
    ];

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The label as events carry it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The word for somebody who feels so, as it stands in a prompt.
    pub fn adjective(self) -> &'static str {
        self.row().adjective
    }

    /// Its place at `intensity` (0 to 1).
    pub fn pad(self, intensity: f32) -> Pad {
        let [pleasure, arousal, dominance] = self.row().pad;
        Pad { pleasure: pleasure * intensity, arousal: arousal * intensity, dominance: dominance * intensity }
    }

    /// The nearest of the 28 GoEmotions labels, which sprite packs use as file names.
    pub fn go_emotions(self) -> &'static str {
        self.row().go_emotions
    }

    /// The nearest SPAFF label, which character services use.
    pub fn spaff(self) -> &'static str {
        self.row().spaff
    }

    /// The nearest of Ekman's six, or `neutral`.
    pub fn ekman(self) -> &'static str {
        self.row().ekman
    }

    /// The nearest of the ten feelings that SkyrimNet puts on memories.
    pub fn skyrim_net(self) -> &'static str {
        self.row().skyrim_net
    }

    /// Every word that is read as a label, with the label.
    pub(super) fn known_words() -> impl Iterator<Item = (&'static str, EmotionLabel)> {
        EmotionLabel::ALL.into_iter().flat_map(|label| {
            let row = label.row();
            [row.name, row.adjective]
                .into_iter()
                .chain(row.also.split_whitespace())
                .map(move |word| (word, label))
        })
    }
}

impl fmt::Display for EmotionLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for EmotionLabel {
    type Err = UnknownEmotion;

    /// Reads a label, its adjective, or a word of another label set (`amusement`, `BELLIGERENCE`).
    fn from_str(word: &str) -> Result<Self, UnknownEmotion> {
        let wanted = word.trim().to_lowercase().replace([' ', '-'], "_");
        EmotionLabel::known_words()
            .find_map(|(word, label)| (word == wanted).then_some(label))
            .ok_or_else(|| UnknownEmotion { word: word.to_owned() })
    }
}

/// The adjective of a label that is given as a word; none if the word is unknown.
pub fn adjective(word: &str) -> Option<&'static str> {
    word.parse::<EmotionLabel>().ok().map(EmotionLabel::adjective)
}
