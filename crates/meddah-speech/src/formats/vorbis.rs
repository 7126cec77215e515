//! Vorbis in Ogg.
//!
//! libvorbis' state may not move between threads, and a line does: its encoder has a small thread of its own, which
//! answers each piece with bytes and ends with the line.

use std::io::Write;
use std::num::{NonZeroU8, NonZeroU32};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use vorbis_rs::{VorbisBitrateManagementStrategy, VorbisEncoder, VorbisEncoderBuilder, VorbisError};

use super::{AudioFormat, Codec, FormatError};

/// Of -0.2 to 1.0. About 48 kbit a second for a voice at 22,050 Hz.
const QUALITY: f32 = 0.3;
/// A page is sent when it has as much: about a fifth of a second.
const PAGE_BYTES: u16 = 1024;
/// libvorbis is slow with very long pieces.
const PIECE_SAMPLES: usize = 4096;
/// The numbers of streams are told apart within a file; here is one.
const SERIAL: i32 = 1;

type Told = Result<Vec<u8>, String>;

pub struct Vorbis {
    /// None ends the line.
    pieces: Option<SyncSender<Vec<f32>>>,
    told: Receiver<Told>,
    thread: Option<JoinHandle<()>>,
}

impl Vorbis {
    pub fn new(rate_hz: u32) -> Result<Vorbis, FormatError> {
        let (pieces, taken) = sync_channel(1);
        let (tell, told) = sync_channel(1);
        let thread = std::thread::Builder::new().name("vorbis".into()).spawn(move || {
            // Whoever is gone needs no answer.
            let _ = work(rate_hz, &taken, &tell).or_else(|error| tell.send(Err(error.to_string())));
        });
        let thread = thread.map_err(|error| FormatError::encoder(AudioFormat::Ogg, error))?;
        Ok(Vorbis { pieces: Some(pieces), told, thread: Some(thread) })
    }

    fn answer(&self) -> Result<Vec<u8>, FormatError> {
        let told = self.told.recv().unwrap_or_else(|_| Err("its thread has ended".into()));
        told.map_err(|why| FormatError::encoder(AudioFormat::Ogg, why))
    }
}

impl Codec for Vorbis {
    fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>, FormatError> {
        let Some(pieces) = &self.pieces else { return Ok(Vec::new()) };
        // Where it could not be sent, the answer says why.
        let _ = pieces.send(samples.to_vec());
        self.answer()
    }

    fn finish(&mut self) -> Result<Vec<u8>, FormatError> {
        // Dropping the sender, here and now, is what tells the thread that this was all.
        let Some(pieces) = self.pieces.take() else { return Ok(Vec::new()) };
        drop(pieces);
        self.answer()
    }
}

impl Drop for Vorbis {
    fn drop(&mut self) {
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers every piece, and the end.
fn work(rate_hz: u32, pieces: &Receiver<Vec<f32>>, tell: &SyncSender<Told>) -> Result<(), VorbisError> {
    let written = Written::default();
    let mut encoder = encoder(rate_hz, written.clone())?;
    while let Ok(samples) = pieces.recv() {
        for piece in samples.chunks(PIECE_SAMPLES) {
            encoder.encode_audio_block([piece])?;
        }
        if tell.send(Ok(written.take())).is_err() {
            return Ok(());
        }
    }
    encoder.finish()?;
    let _ = tell.send(Ok(written.take()));
    Ok(())
}

fn encoder(rate_hz: u32, sink: Written) -> Result<VorbisEncoder<Written>, VorbisError> {
    let rate = NonZeroU32::new(rate_hz).unwrap_or(NonZeroU32::MIN);
    VorbisEncoderBuilder::new_with_serial(rate, NonZeroU8::MIN, sink, SERIAL)
        .bitrate_management_strategy(VorbisBitrateManagementStrategy::QualityVbr { target_quality: QUALITY })
        .minimum_page_data_size(Some(PAGE_BYTES))
        .build()
}

/// What was written since it was last taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
