//! ggml's own quantisation of weights.

use std::ffi::c_void;

use llama_cpp_sys_2 as sys;

use crate::checkpoint::WeightType;

/// Appends rows of `columns` numbers in the form of `kind`. False, and nothing appended, if the numbers are
/// not whole rows or the rows are not whole blocks.
#[must_use]
pub fn quantize_rows(kind: WeightType, values: &[f32], columns: usize, out: &mut Vec<u8>) -> bool {
    let raw_kind = match kind {
        WeightType::F32 => sys::GGML_TYPE_F32,
        WeightType::F16 => sys::GGML_TYPE_F16,
        WeightType::Q4_0 => sys::GGML_TYPE_Q4_0,
        WeightType::Q5_0 => sys::GGML_TYPE_Q5_0,
        WeightType::Q8_0 => sys::GGML_TYPE_Q8_0,
        WeightType::Q4K => sys::GGML_TYPE_Q4_K,
        WeightType::Q6K => sys::GGML_TYPE_Q6_K,
    };
    let block = kind.block().0 as usize;
    if columns == 0 || !columns.is_multiple_of(block) || !values.len().is_multiple_of(columns) {
        return false;
    }
    let (Ok(rows), Ok(width)) = (i64::try_from(values.len() / columns), i64::try_from(columns)) else {
        return false;
    };
    let start = out.len();
    let bytes = kind.bytes(values.len() as u64) as usize;
    out.resize(start + bytes, 0);
    // SAFETY: the source has `rows * columns` numbers; the target has the room that ggml's block sizes ask
    // for, which the assertion below compares with what ggml says; no importance matrix is given.
    let written = unsafe {
        assert_eq!(sys::ggml_row_size(raw_kind, width) * (values.len() / columns), bytes, "{kind:?}");
        let target = out.as_mut_ptr().add(start).cast::<c_void>();
        sys::ggml_quantize_chunk(raw_kind, values.as_ptr(), target, 0, rows, width, std::ptr::null())
    };
    written == bytes
}
