//! Voices in Piper's format (VITS exported to ONNX), computed piece by piece.
//!
//! The first run goes up to the latent: after it, the length of every sound is known. The decoder then makes sound of
//! windows of the latent, small ones first, so that the first word is heard before the last is computed. Windows
//! overlap by what the decoder looks at around a frame, so the pieces are the same as if made at once.

mod config;
mod graph;
mod signs;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};

pub use config::Config;
use signs::Signs;

use crate::phonemes::Item;
use crate::synthesiser::{Flow, Length, Listener, Synthesiser, Timed};
use crate::{SpeechError, Voice, VoiceSettings};

/// The best voices have 120 MB.
const MODEL_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Frames of the first piece: about a quarter of a second.
const FIRST_FRAMES: usize = 24;
/// About a second. Larger pieces are not computed faster, and a cancel waits for the end of one.
const FRAMES_MAX: usize = 96;
/// Voices of Piper have 256; a graph that says much more is none of them.
const FRAME_SAMPLES_MAX: usize = 4096;
/// What the decoder looks at on both sides of a frame.
const CONTEXT_FRAMES: usize = 12;

/// A voice in memory.
pub struct PiperVoice {
    config: Config,
    model: Model,
    input: NodeId,
    input_lengths: NodeId,
    scales: NodeId,
    /// Which speaker, where there are several.
    speaker: Option<NodeId>,
    output: NodeId,
    lengths: Option<NodeId>,
    latent: Option<NodeId>,
    frame_samples: usize,
    threads: Arc<ThreadPool>,
}

/// What a voice says of itself, without reading its model. `None` if it is no voice.
pub fn describe(model: &Path) -> Option<Voice> {
    let config = Config::read(model).ok()?;
    Some(Voice {
        name: model.file_stem()?.to_str()?.to_owned(),
        language: config.language().to_owned(),
        speakers: config.speakers(),
        sample_rate_hz: config.sample_rate_hz(),
        robotic: false,
    })
}

impl PiperVoice {
    /// Reads both files. Takes a fraction of a second and blocks.
    pub fn open(file: &Path, threads: Arc<ThreadPool>) -> Result<PiperVoice, SpeechError> {
        let config = Config::read(file)?;
        let unreadable = |error| SpeechError::unreadable(file, &error);
        if std::fs::metadata(file).map_err(unreadable)?.len() > MODEL_BYTES_MAX {
            return Err(SpeechError::bad_voice(file, "it is too large"));
        }
        let bytes = std::fs::read(file).map_err(unreadable)?;
        let places = graph::places(&bytes);
        let bad = |why: String| SpeechError::bad_voice(file, why);
        let model = ModelOptions::with_all_ops().load(bytes).map_err(|error| bad(error.to_string()))?;
        let node = |name| model.node_id(name).map_err(|error| bad(error.to_string()));
        let found = |name: &Option<String>| name.as_deref().and_then(|name| model.find_node(name));
        let speaker = model.find_node("sid");
        if speaker.is_none() && config.speakers() > 1 {
            return Err(bad("it has several speakers but no way to choose one".into()));
        }
        Ok(PiperVoice {
            input: node("input")?,
            input_lengths: node("input_lengths")?,
            scales: node("scales")?,
            speaker,
            output: node("output")?,
            lengths: found(&places.lengths),
            latent: found(&places.latent).filter(|_| places.frame_samples <= FRAME_SAMPLES_MAX),
            frame_samples: places.frame_samples,
            config,
            model,
            threads,
        })
    }

    fn inputs(
        &self,
        signs: &Signs,
        settings: &VoiceSettings,
        slower: f32,
    ) -> Vec<(NodeId, ValueOrView<'static>)> {
        let count = signs.ids.len();
        let inference = self.config.inference;
        let length_scale = inference.length_scale * slower / settings.speed;
        let scales = vec![inference.noise_scale, length_scale, inference.noise_w];
        let count_as_number = i32::try_from(count).unwrap_or(i32::MAX);
        let mut inputs: Vec<(NodeId, ValueOrView<'static>)> = vec![
            (self.input, NdTensor::from_data([1, count], signs.ids.clone()).into_dyn().into()),
            (self.input_lengths, NdTensor::from_data([1], vec![count_as_number]).into_dyn().into()),
            (self.scales, NdTensor::from_data([3], scales).into_dyn().into()),
        ];
        inputs.extend(self.speaker_input(settings));
        inputs
    }

    fn speaker_input(&self, settings: &VoiceSettings) -> Option<(NodeId, ValueOrView<'static>)> {
        let speaker = settings.speaker.unwrap_or(0).min(self.config.speakers() - 1);
        let speaker = i32::try_from(speaker).unwrap_or(0);
        Some((self.speaker?, NdTensor::from_data([1], vec![speaker]).into_dyn().into()))
    }

    fn run<const N: usize>(
        &self,
        inputs: Vec<(NodeId, ValueOrView<'_>)>,
        outputs: [NodeId; N],
    ) -> Result<[Value; N], SpeechError> {
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads)));
        self.model.run_n(inputs, outputs, Some(options)).map_err(SpeechError::broken)
    }

    fn numbers(value: Value) -> Result<Vec<f32>, SpeechError> {
        let tensor: Tensor<f32> = value.try_into().map_err(SpeechError::broken)?;
        Ok(tensor.to_vec())
    }

    /// Lengths first, then piece by piece.
    fn stream(
        &self,
        (signs, settings): (&Signs, &VoiceSettings),
        (lengths, latent): (NodeId, NodeId),
        listener: &mut dyn Listener,
    ) -> Result<Flow, SpeechError> {
        let inputs = self.inputs(signs, settings, listener.slower());
        let [lengths, found] = self.run(inputs, [lengths, latent])?;
        let of_signs = Self::numbers(lengths)?;
        let all: NdTensor<f32, 3> = found.try_into().map_err(SpeechError::broken)?;
        let frames_total = all.shape()[2];
        listener.sounds(self.timed(signs, &of_signs, frames_total * self.frame_samples));
        let (mut begin, mut frames) = (0, FIRST_FRAMES);
        while begin < frames_total {
            let end = (begin + frames).min(frames_total);
            let sound = self.decode((latent, &all), begin..end, settings)?;
            if listener.sound(&sound) == Flow::Stop {
                return Ok(Flow::Stop);
            }
            (begin, frames) = (end, (frames * 2).min(FRAMES_MAX));
        }
        Ok(Flow::Go)
    }

    /// The sound of some frames of the latent.
    fn decode(
        &self,
        (latent, all): (NodeId, &NdTensor<f32, 3>),
        frames: Range<usize>,
        settings: &VoiceSettings,
    ) -> Result<Vec<f32>, SpeechError> {
        let first = frames.start.saturating_sub(CONTEXT_FRAMES);
        let window = first..(frames.end + CONTEXT_FRAMES).min(all.shape()[2]);
        let piece = all.slice((.., .., window)).to_tensor();
        let mut inputs = vec![(latent, piece.into_dyn().into())];
        inputs.extend(self.speaker_input(settings));
        let [sound] = self.run(inputs, [self.output])?;
        let mut sound = Self::numbers(sound)?;
        let kept = (frames.start - first) * self.frame_samples..(frames.end - first) * self.frame_samples;
        if kept.end > sound.len() {
            return Err(SpeechError::broken("a piece is too short"));
        }
        sound.truncate(kept.end);
        sound.drain(..kept.start);
        Ok(sound)
    }

    /// For a graph of another shape.
    fn at_once(
        &self,
        (signs, settings): (&Signs, &VoiceSettings),
        listener: &mut dyn Listener,
    ) -> Result<Flow, SpeechError> {
        let inputs = self.inputs(signs, settings, listener.slower());
        let (sound, of_signs) = match self.lengths {
            Some(lengths) => {
                let [sound, lengths] = self.run(inputs, [self.output, lengths])?;
                (Self::numbers(sound)?, Self::numbers(lengths)?)
            }
            // Nothing is known of the lengths, so every sign gets the same.
            None => {
                let [sound] = self.run(inputs, [self.output])?;
                (Self::numbers(sound)?, vec![1.0; signs.ids.len()])
            }
        };
        listener.sounds(self.timed(signs, &of_signs, sound.len()));
        Ok(listener.sound(&sound))
    }

    /// The sounds with their lengths, which together are those of the audio.
    fn timed(&self, signs: &Signs, of_signs: &[f32], samples_total: usize) -> Vec<Timed> {
        let lengths = signs.lengths(of_signs);
        let frames_total: f32 = lengths.iter().sum();
        let samples_per_frame = samples_total as f64 / f64::from(frames_total.max(1.0));
        let timed = signs.sounds.iter().zip(lengths).filter(|(_, frames)| *frames > 0.0);
        let as_timed = |(sound, frames): (&signs::Sound, f32)| Timed {
            ipa: sound.ipa.clone(),
            word: sound.word.clone(),
            length: Length(f64::from(frames) * samples_per_frame),
        };
        timed.map(as_timed).collect()
    }
}

impl Synthesiser for PiperVoice {
    fn sample_rate_hz(&self) -> u32 {
        self.config.sample_rate_hz()
    }

    fn speak(
        &mut self,
        sentence: &[Item],
        settings: &VoiceSettings,
        listener: &mut dyn Listener,
    ) -> Result<Flow, SpeechError> {
        let signs = Signs::of(sentence, &self.config);
        match (self.lengths, self.latent) {
            (Some(lengths), Some(latent)) => self.stream((&signs, settings), (lengths, latent), listener),
            _ => self.at_once((&signs, settings), listener),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::voice_file;

    #[test]
    fn pieces_of_a_real_voice_are_what_it_says_in_one_go() {
        let voice = PiperVoice::open(&voice_file(), Arc::new(ThreadPool::with_num_threads(1))).unwrap();
        let settings = VoiceSettings::default();
        let word = Item::Word { bytes: 0..1, ipa: "hɛlˈoʊ".into() };
        let signs = Signs::of(&vec![word; 6], &voice.config);
        let latent = voice.latent.unwrap();
        let [found] = voice.run(voice.inputs(&signs, &settings, 1.0), [latent]).unwrap();
        let all: NdTensor<f32, 3> = found.try_into().unwrap();
        let frames = all.shape()[2];
        assert!(frames > 100, "{frames}");
        let whole = voice.decode((latent, &all), 0..frames, &settings).unwrap();
        let mut pieces = Vec::new();
        for begin in (0..frames).step_by(30) {
            let end = (begin + 30).min(frames);
            pieces.extend(voice.decode((latent, &all), begin..end, &settings).unwrap());
        }
        assert_eq!((whole.len(), pieces.len()), (frames * 256, frames * 256));
        let differ = whole.iter().zip(&pieces).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max);
        assert!(differ < 1e-3, "{differ}");
    }
}
