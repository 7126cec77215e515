//! Weights and vocabulary.

use std::ffi::{CStr, CString, c_char, c_void};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Once};

use llama_cpp_sys_2 as sys;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::checkpoint::NORMALIZER_NFC;

/// An entry of the vocabulary.
pub type Token = i32;

/// Written by our own import, for what llama.cpp does not do itself.
const NORMALIZER: &CStr = c"meddah.tokenizer.normalizer";
const SPACE_FIRST: &CStr = c"meddah.tokenizer.space_first";
/// Longest metadata value that is read, bytes.
const META_BYTES_MAX: usize = 512;

/// Why a model file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// llama.cpp cannot open such a path.
    #[error("the path of the model is not valid text")]
    Path,
    /// llama.cpp refused it; its log says why.
    #[error("llama.cpp cannot load this file")]
    Refused,
}

struct Handle {
    pointer: *mut sys::llama_model,
    /// Texts are composed (NFC) before they are read.
    composes: bool,
    /// A space belongs before a text, but not before what follows a special token.
    leads: bool,
}

// SAFETY: llama.cpp does not change a model after it is loaded; all calls on it here only read.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from llama_model_load_from_file and this is its only owner.
        unsafe { sys::llama_model_free(self.pointer) }
    }
}

/// A loaded model; clones share it.
#[derive(Clone)]
pub struct Model(Arc<Handle>);

/// Errors of llama.cpp go to stderr, where the sidecar collects them; the rest is silence.
unsafe extern "C" fn log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if level == sys::GGML_LOG_LEVEL_ERROR && !text.is_null() {
        // SAFETY: llama.cpp passes a C string that lives during the call.
        let text = unsafe { CStr::from_ptr(text) };
        std::io::stderr().write_all(text.to_bytes()).ok(); // nobody listens
    }
}

unsafe extern "C" fn on_progress(progress: f32, data: *mut c_void) -> bool {
    // SAFETY: `data` is the closure that `load` keeps alive while llama.cpp loads.
    let callback = unsafe { &mut *data.cast::<&mut dyn FnMut(f32)>() };
    callback(progress);
    true
}

fn start_llama() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // SAFETY: called once, before anything else of llama.cpp.
        unsafe {
            sys::llama_log_set(Some(log), std::ptr::null_mut());
            sys::llama_backend_init();
        }
    });
}

impl Model {
    /// Loads a GGUF file; `progress` gets 0.0 to 1.0.
    pub fn load(path: &Path, progress: &mut dyn FnMut(f32)) -> Result<Model, LoadError> {
        Self::load_parts(path, false, progress)
    }

    /// Loads the vocabulary of a GGUF file without its weights.
    pub fn load_vocabulary(path: &Path) -> Result<Model, LoadError> {
        Self::load_parts(path, true, &mut |_| {})
    }

    fn load_parts(
        path: &Path,
        vocabulary_only: bool,
        mut progress: &mut dyn FnMut(f32),
    ) -> Result<Model, LoadError> {
        start_llama();
        let path = path.to_str().and_then(|path| CString::new(path).ok()).ok_or(LoadError::Path)?;
        // SAFETY: the path and the closure outlive the call.
        let pointer = unsafe {
            let mut params = sys::llama_model_default_params();
            params.vocab_only = vocabulary_only;
            params.progress_callback = Some(on_progress);
            params.progress_callback_user_data = (&raw mut progress).cast();
            sys::llama_model_load_from_file(path.as_ptr(), params)
        };
        if pointer.is_null() {
            return Err(LoadError::Refused);
        }
        let mut model = Model(Arc::new(Handle { pointer, composes: false, leads: false }));
        let composes = model.meta(NORMALIZER).is_some_and(|name| name == NORMALIZER_NFC);
        let leads = model.meta(SPACE_FIRST).is_some_and(|flag| flag == "true");
        if let Some(handle) = Arc::get_mut(&mut model.0) {
            (handle.composes, handle.leads) = (composes, leads);
        }
        Ok(model)
    }

    pub(super) fn pointer(&self) -> *mut sys::llama_model {
        self.0.pointer
    }

    pub(super) fn vocab(&self) -> *const sys::llama_vocab {
        // SAFETY: the model is alive; the vocabulary lives as long.
        unsafe { sys::llama_model_get_vocab(self.0.pointer) }
    }

    /// Entries of the vocabulary.
    pub fn vocab_size(&self) -> usize {
        // SAFETY: reads a field.
        unsafe { sys::llama_vocab_n_tokens(self.vocab()) }.max(0) as usize
    }

    fn is_token(&self, token: Token) -> bool {
        usize::try_from(token).is_ok_and(|token| token < self.vocab_size())
    }

    /// The context length it was trained for, tokens.
    pub fn trained_context_tokens(&self) -> u32 {
        // SAFETY: reads a field.
        unsafe { sys::llama_model_n_ctx_train(self.0.pointer) }.max(0) as u32
    }

    /// How many weights it has.
    pub fn parameters(&self) -> u64 {
        // SAFETY: reads a field.
        unsafe { sys::llama_model_n_params(self.0.pointer) }
    }

    /// Width of the sliding attention window, tokens; 0 if it has none.
    pub fn window_tokens(&self) -> usize {
        // SAFETY: reads a field.
        unsafe { sys::llama_model_n_swa(self.0.pointer) }.max(0) as usize
    }

    /// Its memory is a running state that cannot be cut back to an earlier token.
    pub fn is_recurrent(&self) -> bool {
        // SAFETY: both read the architecture.
        unsafe { sys::llama_model_is_recurrent(self.0.pointer) || sys::llama_model_is_hybrid(self.0.pointer) }
    }

    /// Ends a reply.
    pub fn is_end(&self, token: Token) -> bool {
        // SAFETY: the index was checked.
        self.is_token(token) && unsafe { sys::llama_vocab_is_eog(self.vocab(), token) }
    }

    /// Structure of the conversation, never part of what somebody says.
    pub fn is_control(&self, token: Token) -> bool {
        // SAFETY: the index was checked.
        self.is_token(token) && unsafe { sys::llama_vocab_is_control(self.vocab(), token) }
    }

    /// The token that ends a turn.
    pub fn end_token(&self) -> Option<Token> {
        // SAFETY: both read a field.
        let (turn, text) =
            unsafe { (sys::llama_vocab_eot(self.vocab()), sys::llama_vocab_eos(self.vocab())) };
        [turn, text].into_iter().find(|&token| self.is_token(token))
    }

    /// The token that the model wants first, if it wants one.
    pub fn begin_token(&self) -> Option<Token> {
        // SAFETY: both read a field.
        let (wanted, token) =
            unsafe { (sys::llama_vocab_get_add_bos(self.vocab()), sys::llama_vocab_bos(self.vocab())) };
        (wanted && self.is_token(token)).then_some(token)
    }

    /// The text of the token that begins a prompt, for templates that print it.
    pub fn begin_text(&self) -> String {
        // SAFETY: reads a field.
        let token = unsafe { sys::llama_vocab_bos(self.vocab()) };
        String::from_utf8_lossy(&self.bytes_of(token, true)).into_owned()
    }

    /// A vocabulary that puts a space before every text it reads (SentencePiece).
    pub fn adds_space(&self) -> bool {
        // SAFETY: reads a field.
        unsafe { sys::llama_vocab_type(self.vocab()) == sys::LLAMA_VOCAB_TYPE_SPM }
    }

    /// Tokens of a text. With `control`, text that spells a control token becomes that token.
    pub fn tokenize(&self, text: &[u8], control: bool) -> Vec<Token> {
        match std::str::from_utf8(text) {
            Ok(text) if self.0.composes && !is_nfc(text) => {
                self.tokenize_with_lead(text.nfc().collect::<String>().as_bytes(), control)
            }
            _ => self.tokenize_with_lead(text, control),
        }
    }

    fn tokenize_with_lead(&self, text: &[u8], control: bool) -> Vec<Token> {
        let tokens = self.tokenize_as_it_is(text, control);
        let has_lead = text.is_empty() || text.starts_with(b" ") || text.starts_with("\u{2581}".as_bytes());
        if !self.0.leads || has_lead || tokens.first().is_some_and(|token| self.is_found_first(*token)) {
            return tokens;
        }
        self.tokenize_as_it_is(&[b" ", text].concat(), control)
    }

    /// A token that is looked for in the text before all others.
    fn is_found_first(&self, token: Token) -> bool {
        const FOUND_FIRST: sys::llama_token_attr = sys::LLAMA_TOKEN_ATTR_CONTROL
            | sys::LLAMA_TOKEN_ATTR_USER_DEFINED
            | sys::LLAMA_TOKEN_ATTR_UNKNOWN;
        // SAFETY: the index was checked.
        self.is_token(token) && unsafe { sys::llama_vocab_get_attr(self.vocab(), token) } & FOUND_FIRST != 0
    }

    fn tokenize_as_it_is(&self, text: &[u8], control: bool) -> Vec<Token> {
        let Ok(length) = i32::try_from(text.len()) else { return Vec::new() };
        // A token is at least one byte; two more for what the vocabulary may put around them.
        let mut tokens: Vec<Token> = vec![0; text.len() + 2];
        let room = i32::try_from(tokens.len()).unwrap_or(i32::MAX);
        // SAFETY: both buffers are as long as stated.
        let count = unsafe {
            sys::llama_tokenize(
                self.vocab(),
                text.as_ptr().cast(),
                length,
                tokens.as_mut_ptr(),
                room,
                false,
                control,
            )
        };
        tokens.truncate(usize::try_from(count).unwrap_or(0));
        tokens
    }

    /// Bytes of a token; those of a control token only if `control`.
    pub fn bytes_of(&self, token: Token, control: bool) -> Vec<u8> {
        if !self.is_token(token) {
            return Vec::new();
        }
        let mut bytes = vec![0_u8; 64];
        for _ in 0..2 {
            let room = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
            // SAFETY: the index was checked and the buffer is as long as stated.
            let written = unsafe {
                sys::llama_token_to_piece(self.vocab(), token, bytes.as_mut_ptr().cast(), room, 0, control)
            };
            if let Ok(written) = usize::try_from(written) {
                bytes.truncate(written);
                return bytes;
            }
            bytes.resize(written.unsigned_abs() as usize, 0);
        }
        Vec::new()
    }

    /// Source of the chat template, if the file has one.
    pub fn chat_template(&self) -> Option<String> {
        // SAFETY: the result is null or a C string that lives as long as the model.
        unsafe {
            let text = sys::llama_model_chat_template(self.0.pointer, std::ptr::null());
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    }

    /// A metadata value as text.
    pub fn meta(&self, key: &CStr) -> Option<String> {
        let mut text = vec![0_u8; META_BYTES_MAX];
        // SAFETY: the buffer is as long as stated.
        let length = unsafe {
            sys::llama_model_meta_val_str(self.0.pointer, key.as_ptr(), text.as_mut_ptr().cast(), text.len())
        };
        text.truncate(usize::try_from(length).ok()?.min(META_BYTES_MAX - 1));
        String::from_utf8(text).ok()
    }
}
