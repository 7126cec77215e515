//! llama.cpp's "don't repeat yourself" penalty on a short list of candidates.

use std::ffi::{CStr, c_char};

use llama_cpp_sys_2 as sys;

use super::model::{Model, Token};

/// A token that may come next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Which.
    pub token: Token,
    /// How likely, on the model's own scale.
    pub logit: f32,
}

/// A phrase may be repeated across these.
const BREAKERS: [&CStr; 4] = [c"\n", c":", c"\"", c"*"];
/// Values of the DRY proposal.
const BASE: f32 = 1.75;
const ALLOWED_TOKENS: i32 = 2;
/// How far back it looks.
pub const WINDOW_TOKENS: usize = 512;

/// The penalty and the tokens it has seen.
pub struct Dry {
    pointer: *mut sys::llama_sampler,
    scratch: Vec<sys::llama_token_data>,
}

impl Dry {
    /// A penalty of this strength that has seen nothing. Scans the whole vocabulary for the breakers: make
    /// one and use [`Dry::fresh_copy`].
    pub fn new(model: &Model, multiplier: f32) -> Option<Dry> {
        let mut breakers: Vec<*const c_char> = BREAKERS.iter().map(|text| text.as_ptr()).collect();
        // SAFETY: the strings are static; llama.cpp copies what it needs from them.
        let pointer = unsafe {
            sys::llama_sampler_init_dry(
                model.vocab(),
                multiplier,
                BASE,
                ALLOWED_TOKENS,
                WINDOW_TOKENS as i32,
                breakers.as_mut_ptr(),
                breakers.len(),
            )
        };
        (!pointer.is_null()).then(|| Dry { pointer, scratch: Vec::new() })
    }

    /// The same strength.
    pub fn fresh_copy(&self) -> Option<Dry> {
        // SAFETY: the sampler is alive; the clone is independent of it.
        let pointer = unsafe { sys::llama_sampler_clone(self.pointer) };
        (!pointer.is_null()).then(|| Dry { pointer, scratch: Vec::new() })
    }

    /// Sees a token of the character's own words.
    pub fn accept(&mut self, token: Token) {
        // SAFETY: the sampler is alive.
        unsafe { sys::llama_sampler_accept(self.pointer, token) }
    }

    /// Lowers candidates that would go on with a repetition.
    pub fn apply(&mut self, candidates: &mut [Candidate]) {
        self.scratch.clear();
        let data = |c: &Candidate| sys::llama_token_data { id: c.token, logit: c.logit, p: 0.0 };
        self.scratch.extend(candidates.iter().map(data));
        let mut array = sys::llama_token_data_array {
            data: self.scratch.as_mut_ptr(),
            size: self.scratch.len(),
            selected: -1,
            sorted: false,
        };
        // SAFETY: the array is as long as stated; this sampler changes logits in place.
        unsafe { sys::llama_sampler_apply(self.pointer, &raw mut array) };
        for (candidate, data) in candidates.iter_mut().zip(&self.scratch) {
            *candidate = Candidate { token: data.id, logit: data.logit };
        }
    }
}

impl Drop for Dry {
    fn drop(&mut self) {
        // SAFETY: this is its only owner.
        unsafe { sys::llama_sampler_free(self.pointer) }
    }
}
