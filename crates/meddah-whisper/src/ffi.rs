//! The only unsafe code: a safe wrapper over the shim around whisper.cpp (`shim.cpp`).
//!
//! A model has one owner and is used by one thread at a time. Texts and samples are borrowed for the length of a call;
//! what comes back is copied before the next one.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

// Its ggml is what the shim calls.
use llama_cpp_sys_2 as sys;

/// The version of ggml whose headers whisper.cpp was compiled with.
const GGML_COMPILED: &str = env!("MEDDAH_GGML_VERSION");

#[repr(C)]
struct Raw {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn meddah_whisper_open(path: *const c_char) -> *mut Raw;
    fn meddah_whisper_close(model: *mut Raw);
    fn meddah_whisper_is_multilingual(model: *const Raw) -> bool;
    fn meddah_whisper_knows_language(language: *const c_char) -> bool;
    fn meddah_whisper_count_tokens(model: *const Raw, text: *const c_char) -> c_int;
    fn meddah_whisper_run(
        model: *mut Raw,
        samples: *const f32,
        count: c_int,
        speech_seconds: f32,
        threads: c_int,
        audio_context: c_int,
        tokens_max: c_int,
        language: *const c_char,
        prompt: *const c_char,
        stop: unsafe extern "C" fn(*mut c_void) -> bool,
        data: *mut c_void,
    ) -> c_int;
    fn meddah_whisper_score(
        model: *mut Raw,
        prompt: *const c_char,
        text: *const c_char,
        threads: c_int,
        stop: unsafe extern "C" fn(*mut c_void) -> bool,
        data: *mut c_void,
    ) -> f64;
    fn meddah_whisper_text(model: *const Raw) -> *const c_char;
    fn meddah_whisper_no_speech(model: *const Raw) -> f32;
    fn meddah_whisper_confidence(model: *const Raw) -> f32;
}

/// A loaded model.
pub struct Whisper(*mut Raw);

// SAFETY: whisper.cpp keeps nothing of a model in thread-local memory; `&mut self` makes calls come one at a time.
unsafe impl Send for Whisper {}

/// How a piece of sound is to be understood.
#[derive(Debug)]
pub struct RunOptions<'a> {
    /// Where the last word ends.
    pub speech_seconds: f32,
    /// Compute threads, at least 1.
    pub threads: u32,
    /// Places of the encoder that are computed, each 20 ms.
    pub audio_context: u32,
    /// The reply ends after so many tokens, whatever happens.
    pub tokens_max: u32,
    /// What is spoken, as in `en`; it is found out if there is none.
    pub language: Option<&'a str>,
    /// What was said before, as far as the model knows.
    pub prompt: &'a str,
}

/// What was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Understood {
    /// As the model writes it.
    pub text: String,
    /// How probable the model finds that nobody speaks, 0 to 1.
    pub no_speech: f32,
    /// Mean of the logarithms of the probabilities of the tokens; 0 is certain.
    pub confidence: f32,
}

/// Why there is nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhisperError {
    /// The ggml in the program is not the one that whisper.cpp was compiled for.
    #[error("whisper.cpp was compiled for ggml {GGML_COMPILED}, but ggml {0} is in the program")]
    OtherGgml(String),
    /// The file cannot be loaded.
    #[error("whisper.cpp cannot load the model")]
    NotLoaded,
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
    /// Anything else.
    #[error("whisper.cpp failed with code {0}")]
    Failed(i32),
}

/// The version of the ggml in this program. An error if whisper.cpp would call it wrongly.
pub fn check_ggml() -> Result<String, WhisperError> {
    // SAFETY: gives a text that is never freed.
    let linked = unsafe { CStr::from_ptr(sys::ggml_version()) }.to_string_lossy().into_owned();
    if linked == GGML_COMPILED { Ok(linked) } else { Err(WhisperError::OtherGgml(linked)) }
}

/// Whether there is such a language, as in `en`.
pub fn knows_language(language: &str) -> bool {
    let Ok(language) = CString::new(language) else { return false };
    // SAFETY: a text that ends.
    unsafe { meddah_whisper_knows_language(language.as_ptr()) }
}

unsafe extern "C" fn is_stopped(data: *mut c_void) -> bool {
    // SAFETY: `data` is the flag that `run` borrows for as long as whisper.cpp computes.
    unsafe { &*data.cast::<AtomicBool>() }.load(Ordering::Relaxed)
}

fn number(number: u32) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

fn without_nul(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

impl Whisper {
    /// Loads a file of whisper.cpp's format. Its sizes must have been checked: whisper.cpp believes them.
    pub fn open(file: &Path) -> Result<Whisper, WhisperError> {
        check_ggml()?;
        let path = file.to_str().and_then(|path| CString::new(path).ok()).ok_or(WhisperError::NotLoaded)?;
        // SAFETY: a text that ends; the result is null or a model of ours.
        let model = unsafe { meddah_whisper_open(path.as_ptr()) };
        if model.is_null() { Err(WhisperError::NotLoaded) } else { Ok(Whisper(model)) }
    }

    /// Whether it understands other languages than English.
    pub fn is_multilingual(&self) -> bool {
        // SAFETY: the model is alive.
        unsafe { meddah_whisper_is_multilingual(self.0) }
    }

    /// How many tokens a text is.
    pub fn count_tokens(&self, text: &str) -> usize {
        let Ok(text) = CString::new(text) else { return usize::MAX };
        // SAFETY: the model is alive, and the text ends.
        let count = unsafe { meddah_whisper_count_tokens(self.0, text.as_ptr()) };
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Understands samples of 16 kHz. Setting `stop` from another thread ends it within some milliseconds.
    pub fn run(
        &mut self,
        samples: &[f32],
        options: &RunOptions<'_>,
        stop: &AtomicBool,
    ) -> Result<Understood, WhisperError> {
        let language = options.language.map(without_nul);
        let prompt = without_nul(options.prompt);
        let count = c_int::try_from(samples.len()).map_err(|_| WhisperError::Failed(0))?;
        // SAFETY: the model is alive and ours alone; samples, texts and the flag outlive the call.
        let code = unsafe {
            meddah_whisper_run(
                self.0,
                samples.as_ptr(),
                count,
                options.speech_seconds,
                number(options.threads.max(1)),
                number(options.audio_context),
                number(options.tokens_max),
                language.as_ref().map_or(std::ptr::null(), |language| language.as_ptr()),
                prompt.as_ptr(),
                is_stopped,
                std::ptr::from_ref(stop).cast_mut().cast(),
            )
        };
        match code {
            0 => Ok(self.understood()),
            _ if stop.load(Ordering::Relaxed) => Err(WhisperError::Stopped),
            code => Err(WhisperError::Failed(code)),
        }
    }

    /// How probable the model finds that what it heard last is this text: the sum of the logarithms of its tokens.
    /// Nothing if that cannot be told, or `stop` was set.
    pub fn score(&mut self, text: &str, prompt: &str, threads: u32, stop: &AtomicBool) -> Option<f64> {
        // The model writes a blank before each word, the first too.
        let (prompt, text) = (without_nul(prompt), without_nul(&format!(" {text}")));
        // SAFETY: the model is alive and ours alone; texts and the flag outlive the call.
        let score = unsafe {
            meddah_whisper_score(
                self.0,
                prompt.as_ptr(),
                text.as_ptr(),
                number(threads.max(1)),
                is_stopped,
                std::ptr::from_ref(stop).cast_mut().cast(),
            )
        };
        (score <= 0.0).then_some(score)
    }

    fn understood(&self) -> Understood {
        // SAFETY: the model is alive; the text stays until the next run and is copied here.
        unsafe {
            Understood {
                text: CStr::from_ptr(meddah_whisper_text(self.0)).to_string_lossy().into_owned(),
                no_speech: meddah_whisper_no_speech(self.0),
                confidence: meddah_whisper_confidence(self.0),
            }
        }
    }
}

impl Drop for Whisper {
    fn drop(&mut self) {
        // SAFETY: came from `meddah_whisper_open`, and this is its only owner.
        unsafe { meddah_whisper_close(self.0) }
    }
}
