//! Every format at every rate, there and back.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A voice more or less: a tone that glides, with overtones, syllables and pauses.
fn voice(rate_hz: u32, seconds: f64) -> Pcm {
    let count = (f64::from(rate_hz) * seconds) as usize;
    let mut phase = 0.0_f64;
    let samples = (0..count).map(|n| {
        let time = n as f64 / f64::from(rate_hz);
        phase += std::f64::consts::TAU * (140.0 + 40.0 * (time * 3.0).sin()) / f64::from(rate_hz);
        let overtones: f64 = (1..=16).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
        let syllable = (time * 4.0 * std::f64::consts::PI).sin().max(0.0);
        (0.25 * overtones * syllable) as f32
    });
    Pcm { sample_rate_hz: rate_hz, samples: samples.collect() }
}

/// How alike two sounds are, at best within a few milliseconds of shift: 1.0 for the same.
fn likeness(left: &Pcm, right: &Pcm, shift_ms: f64) -> f64 {
    assert_eq!(left.sample_rate_hz, right.sample_rate_hz);
    let shift_max = (shift_ms * f64::from(left.sample_rate_hz) / 1000.0) as usize;
    let dot = |left: &[f32], right: &[f32]| -> f64 {
        left.iter().zip(right).map(|(left, right)| f64::from(left * right)).sum()
    };
    let likeness = |left: &[f32], right: &[f32]| {
        let length = left.len().min(right.len());
        let (left, right) = (&left[..length], &right[..length]);
        dot(left, right) / (dot(left, left) * dot(right, right)).sqrt().max(1e-12)
    };
    let shifts = (0..=shift_max).map(|shift| likeness(&left.samples, &right.samples[shift..]));
    shifts.fold(f64::NEG_INFINITY, f64::max)
}

fn apart(left: Duration, right: Duration) -> Duration {
    left.abs_diff(right)
}

fn read(bytes: &[u8], format: AudioFormat, rate_hz: u32) -> Pcm {
    match format {
        AudioFormat::Pcm => decode_pcm(bytes, rate_hz).unwrap(),
        _ => decode(bytes).unwrap(),
    }
}

/// Bytes a second at most, so that nobody is surprised by what a line costs.
fn bytes_per_second_max(format: AudioFormat, rate_hz: u32) -> usize {
    match format {
        AudioFormat::Wav | AudioFormat::Pcm => rate_hz as usize * 2 + 44,
        AudioFormat::Ogg => 9_000,
        AudioFormat::Mp3 => 9_000,
        AudioFormat::Opus => 5_000,
    }
}

const TESTED_HZ: [u32; 5] = [16_000, 22_050, 24_000, 44_100, 48_000];

#[test]
fn a_line_comes_back_as_it_was_at_every_rate() {
    for (format, rate_hz) in
        AudioFormat::ALL.into_iter().flat_map(|format| TESTED_HZ.map(|rate| (format, rate)))
    {
        let line = voice(22_050, 2.3);
        let bytes = encode(&line, format, rate_hz).unwrap();
        let heard = read(&bytes, format, rate_hz);
        let inside_hz = if format == AudioFormat::Opus { 48_000 } else { rate_hz };
        assert_eq!(heard.sample_rate_hz, inside_hz, "{format}");
        let off = apart(heard.duration(), line.duration());
        assert!(off < Duration::from_millis(20), "{format} at {rate_hz}: {off:?} off");
        let alike = likeness(&line.clone().resampled(inside_hz), &heard, 1.0);
        let wanted = if matches!(format, AudioFormat::Wav | AudioFormat::Pcm) { 0.9999 } else { 0.97 };
        assert!(alike > wanted, "{format} at {rate_hz}: alike by {alike}");
        let per_second = bytes.len() as f64 / 2.3;
        assert!(
            per_second < bytes_per_second_max(format, rate_hz) as f64,
            "{format} at {rate_hz}: {per_second}"
        );
    }
}

#[test]
fn a_streamed_line_is_the_same_and_begins_before_it_ends() {
    for format in AudioFormat::ALL {
        let line = voice(22_050, 2.3);
        let mut encoder = Encoder::new(format, 22_050).unwrap();
        let mut bytes = Vec::new();
        let mut early = 0;
        for (number, piece) in line.samples.chunks(2_205).enumerate() {
            bytes.extend(encoder.push(&Pcm { sample_rate_hz: 22_050, samples: piece.to_vec() }).unwrap());
            if number == 9 {
                early = bytes.len();
            }
        }
        bytes.extend(encoder.finish().unwrap());
        assert!(encoder.finish().unwrap().is_empty(), "{format}: an end after the end");
        assert!(early * 5 > bytes.len(), "{format}: {early} of {} bytes after a second", bytes.len());
        let heard = read(&bytes, format, 22_050);
        let codec_silence = Duration::from_millis(if format == AudioFormat::Mp3 { 100 } else { 20 });
        let off = apart(heard.duration(), line.duration());
        assert!(off < codec_silence, "{format}: {off:?} off");
        let alike = likeness(&line.clone().resampled(heard.sample_rate_hz), &heard, 70.0);
        assert!(alike > 0.97, "{format}: alike by {alike}");
    }
}

#[test]
fn the_shortest_lines_are_files_too() {
    for (format, samples) in AudioFormat::ALL.into_iter().flat_map(|format| [0, 1, 500].map(|n| (format, n)))
    {
        let line = Pcm { sample_rate_hz: 22_050, samples: vec![0.1; samples] };
        let bytes = encode(&line, format, 24_000).unwrap();
        let read = match format {
            AudioFormat::Pcm => decode_pcm(&bytes, 24_000),
            _ => decode(&bytes),
        };
        match samples {
            0 => assert!(read.is_err(), "{format}: silence of no length"),
            _ => assert!(
                apart(read.unwrap().duration(), line.duration()) < Duration::from_millis(50),
                "{format}"
            ),
        }
    }
}

#[test]
fn a_file_says_its_length_and_a_stream_that_it_does_not_know() {
    let line = Pcm { sample_rate_hz: 16_000, samples: vec![0.5; 100] };
    let file = encode(&line, AudioFormat::Wav, 16_000).unwrap();
    assert_eq!(file[40..44], 200_u32.to_le_bytes());
    assert_eq!(hound::WavReader::new(file.as_slice()).unwrap().duration(), 100);
    let stream = Encoder::new(AudioFormat::Wav, 16_000).unwrap().push(&line).unwrap();
    assert_eq!((&stream[4..8], &stream[40..44]), (&[0xFF; 4][..], &[0xFF; 4][..]));
    assert_eq!(decode(&stream).unwrap().samples.len(), 100);
}

#[test]
fn names_are_those_of_files() {
    for format in AudioFormat::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
        assert_eq!(format!(".{}", format.extension().to_uppercase()).parse(), Ok(format));
    }
    let error = "aiff".parse::<AudioFormat>().unwrap_err();
    assert_eq!(error.to_string(), "`aiff` is no sound format; there are wav, pcm, ogg, mp3 and opus");
}

#[test]
fn what_cannot_be_written_or_read_is_told() {
    let error = Encoder::new(AudioFormat::Mp3, 11_000).err().unwrap();
    assert!(error.to_string().starts_with("mp3 cannot have 11000 samples per second; take one of 16000, "));
    let mut encoder = Encoder::new(AudioFormat::Wav, 16_000).unwrap();
    encoder.push(&Pcm { sample_rate_hz: 22_050, samples: vec![0.0] }).unwrap();
    let mixed = encoder.push(&Pcm { sample_rate_hz: 16_000, samples: vec![0.0] }).unwrap_err();
    assert_eq!(mixed, FormatError::Mixed { expected_hz: 22_050, found_hz: 16_000 });
    assert_eq!(decode(&[]), Err(FormatError::Empty));
    let error = decode(b"Once upon a time there was no sound.").unwrap_err();
    assert_eq!(error.to_string(), "this cannot be read as sound: it is neither WAV nor OGG nor MP3 nor Opus");
    assert!(decode_pcm(&[0; 3], 16_000).unwrap_err().to_string().contains("odd"));
    assert!(decode_pcm(&[0; 4], 0).is_err());
}

#[test]
fn what_is_too_long_is_not_read_to_its_end() {
    let bytes = vec![0; 16_000 * 2 * 601];
    assert_eq!(decode_pcm(&bytes, 16_000), Err(FormatError::TooLong { max: LENGTH_MAX }));
}

#[test]
fn several_channels_become_one() {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for sample in [0.5_f32, 0.0, 1.0, f32::NAN, 0.2, 0.2] {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    let heard = decode(&file.into_inner()).unwrap();
    assert_eq!(heard.samples, [0.25, 0.0, 0.2]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn noise_of_bytes_is_an_error_or_sound_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        let _ = decode(&bytes);
        let _ = decode_pcm(&bytes, 16_000);
    }

    #[test]
    fn a_damaged_file_is_an_error_or_sound_and_never_a_panic(
        number in 0..4_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let format = [AudioFormat::Wav, AudioFormat::Ogg, AudioFormat::Mp3, AudioFormat::Opus][number];
        let mut bytes = encode(&voice(22_050, 0.3), format, 22_050).unwrap();
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _ = decode(&bytes);
    }
}
