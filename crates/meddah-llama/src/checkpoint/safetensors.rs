//! The header of a safetensors file: eight bytes of length, then JSON that says where each tensor is.
//!
//! Read by hand, because the usual library wants the whole file in memory, and keeps the last of two
//! tensors of one name (decision 0008). Nothing the file says about its own sizes is believed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::CheckpointError;

/// Longest header; one of 100,000 tensors is smaller.
const HEADER_BYTES_MAX: u64 = 32 << 20;
/// More tensors than any model has in one file.
const TENSORS_MAX: usize = 1 << 17;
/// Longest name of a tensor.
const NAME_BYTES_MAX: usize = 512;
/// Most dimensions of a tensor.
const DIMENSIONS_MAX: usize = 8;

/// How a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F16,
    Bf16,
    I32,
    /// Known by its size only.
    Other {
        bytes: u64,
    },
}

impl Dtype {
    fn parse(name: &str) -> Option<Dtype> {
        Some(match name {
            "F32" => Dtype::F32,
            "F16" => Dtype::F16,
            "BF16" => Dtype::Bf16,
            "I32" | "U32" => Dtype::I32,
            "F64" | "I64" | "U64" => Dtype::Other { bytes: 8 },
            "I16" | "U16" => Dtype::Other { bytes: 2 },
            "I8" | "U8" | "BOOL" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" => Dtype::Other { bytes: 1 },
            _ => return None,
        })
    }

    /// Bytes of one number.
    pub fn bytes(self) -> u64 {
        match self {
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::Other { bytes } => bytes,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dtype::F32 => f.write_str("F32"),
            Dtype::F16 => f.write_str("F16"),
            Dtype::Bf16 => f.write_str("BF16"),
            Dtype::I32 => f.write_str("I32"),
            Dtype::Other { bytes } => write!(f, "a type of {bytes} bytes"),
        }
    }
}

/// Where a tensor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub dtype: Dtype,
    /// Rows first.
    pub shape: Vec<u64>,
    /// From the file's beginning.
    pub start: u64,
    /// Length.
    pub bytes: u64,
}

#[derive(Deserialize)]
struct RawPlace {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Names and places in the order of the file; a name may come twice.
struct RawHeader(Vec<(String, RawPlace)>);

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<RawHeader, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut places = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else if places.len() < TENSORS_MAX {
                        places.push((name, map.next_value()?));
                    } else {
                        return Err(serde::de::Error::custom("too many tensors"));
                    }
                }
                Ok(RawHeader(places))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Reads the header of a file of this name and length.
pub fn read_header(
    file: &str,
    mut input: impl Read,
    file_bytes: u64,
) -> Result<BTreeMap<String, Place>, CheckpointError> {
    let damaged = |what: String| CheckpointError::damaged(file, what);
    let mut length = [0_u8; 8];
    input
        .read_exact(&mut length)
        .map_err(|_| damaged("it is no safetensors file, it is too short".into()))?;
    let header_bytes = u64::from_le_bytes(length);
    if header_bytes > HEADER_BYTES_MAX {
        return Err(damaged(format!("its header claims {header_bytes} bytes, more than any model needs")));
    }
    let data_start = header_bytes + 8;
    let Some(data_bytes) = file_bytes.checked_sub(data_start) else {
        return Err(damaged("it is cut short within its header".into()));
    };
    let mut json = Vec::new();
    input
        .take(header_bytes)
        .read_to_end(&mut json)
        .map_err(|error| damaged(format!("its header cannot be read: {error}")))?;
    let raw: RawHeader =
        serde_json::from_slice(&json).map_err(|error| damaged(format!("its header is wrong: {error}")))?;
    let mut places = BTreeMap::new();
    for (name, raw) in raw.0 {
        let wrong = |what: String| damaged(format!("tensor {name:?} {what}"));
        if name.len() > NAME_BYTES_MAX {
            return Err(damaged("a tensor's name is too long".into()));
        }
        let place = check(&raw, data_bytes, data_start).map_err(wrong)?;
        if places.contains_key(&name) {
            return Err(wrong("is there twice".into()));
        }
        places.insert(name, place);
    }
    check_overlaps(&places).map_err(damaged)?;
    Ok(places)
}

fn check(raw: &RawPlace, data_bytes: u64, data_start: u64) -> Result<Place, String> {
    let dtype = Dtype::parse(&raw.dtype).ok_or_else(|| {
        format!("has the unknown type {:?}", raw.dtype.chars().take(32).collect::<String>())
    })?;
    if raw.shape.len() > DIMENSIONS_MAX {
        return Err(format!("has {} dimensions", raw.shape.len()));
    }
    let [start, end] = raw.data_offsets;
    let bytes = end.checked_sub(start).ok_or("ends before it begins")?;
    if end > data_bytes {
        return Err(format!(
            "reaches to byte {end} of the data, and there are {data_bytes}; the file is cut short or wrong"
        ));
    }
    let numbers = raw.shape.iter().try_fold(1_u64, |product, size| product.checked_mul(*size));
    let needed = numbers.and_then(|numbers| numbers.checked_mul(dtype.bytes()));
    if needed != Some(bytes) {
        return Err(format!("has {bytes} bytes, which is not its shape {:?} in {dtype}", raw.shape));
    }
    Ok(Place { dtype, shape: raw.shape.clone(), start: data_start + start, bytes })
}

fn check_overlaps(places: &BTreeMap<String, Place>) -> Result<(), String> {
    let mut ordered: Vec<_> = places.iter().filter(|(_, place)| place.bytes > 0).collect();
    ordered.sort_by_key(|(_, place)| place.start);
    for pair in ordered.windows(2) {
        let [(left_name, left), (right_name, right)] = pair else { continue };
        if left.start + left.bytes > right.start {
            return Err(format!("tensors {left_name:?} and {right_name:?} overlap"));
        }
    }
    Ok(())
}
