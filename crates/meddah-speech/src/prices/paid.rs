//! Voices and ears that ask the ledger before they send anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt as _;
use meddah_inference::Notice;
use meddah_inference::budget::{Ask, Charge, Ledger, Part, Refusal, ReservationId, reserve};

use super::SpeechPrice;
use crate::{
    LISTEN_RATE_HZ, ListenRequest, SpeechError, SpeechErrorKind, SpeechRequest, SpeechStream, SpeechToText,
    TextToSpeech, TranscriptStream, UTTERANCE_MAX, Voice, samples_as_time,
};

/// By which prices a service is paid.
#[derive(Clone, Debug)]
pub struct SpeechRates {
    /// The rung of the ladder, for the ledger.
    pub source: String,
    /// The model, likewise.
    pub model: String,
    /// The price.
    pub price: SpeechPrice,
}

impl SpeechRates {
    fn ask(&self, micro: u64) -> Ask {
        Ask { part: Part::Speech, source: self.source.clone(), model: self.model.clone(), micro }
    }
}

/// A reservation that is settled or released exactly once, at the latest when it is dropped: who is cut off was asked.
struct Reservation {
    ledger: Arc<dyn Ledger>,
    id: Option<ReservationId>,
    micro: u64,
}

impl Reservation {
    /// Asks for leave; what costs nothing needs none.
    async fn ask(ledger: &Arc<dyn Ledger>, ask: Ask) -> Result<Reservation, SpeechError> {
        let id = match ask.micro {
            0 => None,
            _ => Some(reserve(&**ledger, &ask).await.map_err(over_budget)?.id),
        };
        Ok(Reservation { ledger: ledger.clone(), id, micro: ask.micro })
    }

    /// Nothing was spent.
    fn release(&mut self) {
        if let Some(id) = self.id.take() {
            self.ledger.release(id);
        }
    }

    fn settle(&mut self, micro: u64) {
        if let Some(id) = self.id.take() {
            self.ledger.settle(id, &Charge { micro, ..Charge::default() });
        }
    }

    /// A failure before anything came costs nothing, unless it was us who lost patience.
    fn failed(&mut self, error: &SpeechError) {
        if !matches!(error.kind, SpeechErrorKind::Late | SpeechErrorKind::Stalled) {
            self.release();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.settle(self.micro);
    }
}

fn over_budget(refusal: Refusal) -> SpeechError {
    SpeechError::new(SpeechErrorKind::OverBudget, refusal.to_string(), refusal.help())
}

/// A voice that is paid by the character. It belongs directly around the service, inside of ladders and caches: what
/// comes from a cache is not paid. A line is paid in full as soon as its first sound is there, also if it is cut then.
pub struct PaidSpeech {
    inner: Arc<dyn TextToSpeech>,
    ledger: Arc<dyn Ledger>,
    rates: SpeechRates,
}

impl PaidSpeech {
    /// Around a voice.
    pub fn new(inner: Arc<dyn TextToSpeech>, ledger: Arc<dyn Ledger>, rates: SpeechRates) -> PaidSpeech {
        PaidSpeech { inner, ledger, rates }
    }
}

#[async_trait]
impl TextToSpeech for PaidSpeech {
    async fn voices(&self) -> Vec<Voice> {
        self.inner.voices().await
    }

    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        request.check()?;
        let characters = match crate::phonemes::has_word(&request.text) {
            true => request.text.chars().count() as u64,
            // Nothing is sent for it.
            false => 0,
        };
        let ask = self.rates.ask(self.rates.price.of_speaking(characters));
        let mut reservation = Reservation::ask(&self.ledger, ask).await?;
        let stream = match self.inner.speak(request).await {
            Ok(stream) => stream,
            Err(error) => {
                reservation.failed(&error);
                return Err(error);
            }
        };
        Ok(stream
            .inspect(move |piece| match piece {
                Ok(_) => reservation.settle(reservation.micro),
                Err(error) => reservation.failed(error),
            })
            .boxed())
    }
}

/// Ears that are paid by the time. The longest utterance is reserved, and how long it was is settled.
pub struct PaidListening {
    inner: Arc<dyn SpeechToText>,
    ledger: Arc<dyn Ledger>,
    rates: SpeechRates,
}

impl PaidListening {
    /// Around ears.
    pub fn new(inner: Arc<dyn SpeechToText>, ledger: Arc<dyn Ledger>, rates: SpeechRates) -> PaidListening {
        PaidListening { inner, ledger, rates }
    }
}

/// Settles what was listened to when the transcripts end or are dropped.
struct Heard {
    reservation: Reservation,
    price: SpeechPrice,
    samples: Arc<AtomicUsize>,
}

impl Heard {
    fn settle(&mut self) {
        let samples = self.samples.load(Ordering::Relaxed);
        match self.price.of_listening(samples_as_time(samples, LISTEN_RATE_HZ).min(UTTERANCE_MAX)) {
            0 => self.reservation.release(),
            micro => self.reservation.settle(micro),
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.settle();
    }
}

#[async_trait]
impl SpeechToText for PaidListening {
    async fn listen(&self, mut request: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        let price = self.rates.price;
        let ask = self.rates.ask(price.of_listening(UTTERANCE_MAX));
        let reservation = Reservation::ask(&self.ledger, ask).await?;
        let samples = Arc::<AtomicUsize>::default();
        let counted = samples.clone();
        request.sound = request
            .sound
            .inspect(move |piece| {
                counted.fetch_add(piece.samples.len(), Ordering::Relaxed);
            })
            .boxed();
        let mut heard = Heard { reservation, price, samples };
        let transcripts = match self.inner.listen(request).await {
            Ok(transcripts) => transcripts,
            Err(error) => {
                heard.reservation.failed(&error);
                return Err(error);
            }
        };
        Ok(transcripts
            .inspect(move |transcript| match transcript {
                Ok(transcript) if transcript.is_final => heard.settle(),
                Ok(_) => {}
                Err(error) => heard.reservation.failed(error),
            })
            .boxed())
    }

    fn notice(&self) -> Option<Notice> {
        self.inner.notice()
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::stream;
    use meddah_inference::budget::{Limits, MemoryLedger, PartLimit};

    use super::*;
    use crate::suite::spoken;
    use crate::{Partial, Pcm, ScriptedListener, ScriptedSpeech, VoiceSettings};

    const PRICE: SpeechPrice =
        SpeechPrice { per_million_characters: 10_000_000, per_minute: 6_000, guessed: false };

    fn ledger(speech: PartLimit) -> Arc<MemoryLedger> {
        Arc::new(MemoryLedger::new(Limits { speech, ..Limits::default() }))
    }

    fn rates() -> SpeechRates {
        SpeechRates { source: "rung".into(), model: "model".into(), price: PRICE }
    }

    fn paid(inner: ScriptedSpeech, ledger: &Arc<MemoryLedger>) -> PaidSpeech {
        PaidSpeech::new(Arc::new(inner), ledger.clone(), rates())
    }

    #[tokio::test]
    async fn a_paid_voice_is_a_voice() {
        let ledger = ledger(PartLimit::On);
        crate::suite::all(&paid(ScriptedSpeech::default(), &ledger), &VoiceSettings::default()).await;
        assert_eq!(ledger.held(), 0);
    }

    #[tokio::test]
    async fn a_line_is_paid_by_its_characters_once_it_sounds() {
        let ledger = ledger(PartLimit::PerDay(1000));
        let speech = paid(ScriptedSpeech::default(), &ledger);
        // Ten characters at ten dollars a million.
        spoken(&speech, SpeechRequest::new("Good ölgür")).await;
        assert_eq!((ledger.spent(), ledger.held()), (100, 0));
        let mut cut = speech.speak(SpeechRequest::new("Good ölgür")).await.unwrap();
        cut.next().await.unwrap().unwrap();
        drop(cut);
        assert_eq!((ledger.spent(), ledger.held()), (200, 0), "what was cut was spoken");
        spoken(&speech, SpeechRequest::new("...")).await;
        let fails = paid(ScriptedSpeech::failing_at(0), &ledger);
        let stream = fails.speak(SpeechRequest::new("Good ölgür")).await.unwrap();
        stream.collect::<Vec<_>>().await;
        assert_eq!((ledger.spent(), ledger.held()), (200, 0), "what failed costs nothing");
        let long = speech.speak(SpeechRequest::new("a".repeat(81))).await.err().unwrap();
        assert!(long.kind == SpeechErrorKind::OverBudget && !long.help.is_empty());
        let off = paid(ScriptedSpeech::default(), &self::ledger(PartLimit::Off));
        let off = off.speak(SpeechRequest::new("Hail")).await.err().unwrap();
        assert_eq!(off.kind, SpeechErrorKind::OverBudget);
    }

    #[tokio::test]
    async fn an_utterance_is_paid_by_its_length() {
        let ledger = ledger(PartLimit::PerDay(4000));
        let listen = async |seconds: usize, fails: bool| {
            let ears = ScriptedListener { text: "hail".into(), fails, ..ScriptedListener::default() };
            let ears = PaidListening::new(Arc::new(ears), ledger.clone(), rates());
            let piece = Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: vec![0.1; LISTEN_RATE_HZ as usize] };
            let sound = stream::iter(vec![piece; seconds]).boxed();
            let request = ListenRequest { sound, language: None, names: Vec::new(), partial: Partial::No };
            ears.listen(request).await.unwrap().collect::<Vec<_>>().await
        };
        listen(3, false).await;
        assert_eq!((ledger.spent(), ledger.held()), (300, 0), "three seconds at 100");
        listen(2, true).await;
        listen(0, false).await;
        assert_eq!((ledger.spent(), ledger.held()), (300, 0), "what failed and what was silent cost nothing");
        assert_eq!(PRICE.of_listening(Duration::from_millis(1)), 100);
    }
}
