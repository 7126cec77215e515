//! A reader of GGUF files that shares nothing with the writer under test.

use std::collections::BTreeMap;
use std::path::Path;

use half::f16;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kv {
    Number(u64),
    Float(f32),
    Text(String),
    List(Vec<Kv>),
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Length of a row first.
    pub shape: Vec<u64>,
    pub kind: u32,
    pub bytes: Vec<u8>,
}

/// A whole file.
#[derive(Debug)]
pub struct GgufFile {
    pub values: BTreeMap<String, Kv>,
    pub tensors: BTreeMap<String, Weights>,
    /// Number of metadata entries, and their bytes.
    pub raw_values: (u64, Vec<u8>),
}

impl GgufFile {
    pub fn read(path: &Path) -> GgufFile {
        GgufFile::parse(&std::fs::read(path).unwrap())
    }

    pub fn parse(file: &[u8]) -> GgufFile {
        let mut input = Input { file, at: 0 };
        assert_eq!(input.take(4), b"GGUF");
        assert_eq!(input.u32(), 3);
        let (tensor_count, value_count) = (input.u64(), input.u64());
        let start = input.at;
        let values = (0..value_count).map(|_| {
            let key = input.text();
            let kind = input.u32();
            (key, input.value(kind))
        });
        let values: BTreeMap<_, _> = values.collect();
        let raw_values = (value_count, file[start..input.at].to_vec());
        let lines: Vec<_> = (0..tensor_count)
            .map(|_| {
                let name = input.text();
                let dimensions = input.u32();
                let shape: Vec<u64> = (0..dimensions).map(|_| input.u64()).collect();
                (name, shape, input.u32(), input.u64())
            })
            .collect();
        let data = &file[input.at.next_multiple_of(32)..];
        let tensors = lines.into_iter().map(|(name, shape, kind, offset)| {
            assert_eq!(offset % 32, 0, "{name}");
            let length = bytes_of(kind, shape.iter().product());
            let bytes = data[offset as usize..][..length].to_vec();
            (name, Weights { shape, kind, bytes })
        });
        GgufFile { tensors: tensors.collect(), values, raw_values }
    }

    pub fn texts(&self, key: &str) -> Vec<String> {
        let Some(Kv::List(list)) = self.values.get(key) else { panic!("{key}") };
        let text = |value: &Kv| match value {
            Kv::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        list.iter().map(text).collect()
    }

    pub fn text(&self, key: &str) -> &str {
        match self.values.get(key) {
            Some(Kv::Text(text)) => text,
            other => panic!("{key}: {other:?}"),
        }
    }

    pub fn number(&self, key: &str) -> u64 {
        match self.values.get(key) {
            Some(Kv::Number(number)) => *number,
            other => panic!("{key}: {other:?}"),
        }
    }
}

fn bytes_of(kind: u32, numbers: u64) -> usize {
    let (block, bytes) = match kind {
        0 => (1, 4),
        1 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        8 => (32, 34),
        12 => (256, 144),
        14 => (256, 210),
        other => panic!("kind {other}"),
    };
    assert_eq!(numbers % block, 0);
    (numbers / block * bytes) as usize
}

struct Input<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        self.at += length;
        &self.file[self.at - length..self.at]
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let length = self.u64() as usize;
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    fn value(&mut self, kind: u32) -> Kv {
        match kind {
            4 | 5 => Kv::Number(u64::from(self.u32())),
            6 => Kv::Float(f32::from_bits(self.u32())),
            7 => Kv::Number(u64::from(self.take(1)[0])),
            8 => Kv::Text(self.text()),
            9 => {
                let kind = self.u32();
                let length = self.u64();
                Kv::List((0..length).map(|_| self.value(kind)).collect())
            }
            10 => Kv::Number(self.u64()),
            other => panic!("value kind {other}"),
        }
    }
}

impl Weights {
    /// The numbers, row after row, by the formulas of ggml's documentation.
    pub fn dequantised(&self) -> Vec<f32> {
        let half = |bytes: &[u8]| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
        let block = bytes_of(self.kind, if self.kind < 2 { 1 } else { 32 });
        self.bytes
            .chunks(block)
            .flat_map(|block| -> Vec<f32> {
                let nibble = |packed: &[u8], i: usize| f32::from(packed[i % 16] >> (i / 16 * 4) & 15);
                match self.kind {
                    0 => vec![f32::from_le_bytes(block.try_into().unwrap())],
                    1 => vec![half(block)],
                    2 => (0..32).map(|i| half(block) * (nibble(&block[2..], i) - 8.0)).collect(),
                    3 => (0..32).map(|i| half(block) * nibble(&block[4..], i) + half(&block[2..])).collect(),
                    6 => {
                        let fifth = u32::from_le_bytes(block[2..6].try_into().unwrap());
                        let number = |i| nibble(&block[6..], i) + (fifth >> i & 1) as f32 * 16.0 - 16.0;
                        (0..32).map(|i| half(block) * number(i)).collect()
                    }
                    8 => block[2..].iter().map(|q| half(block) * f32::from(*q as i8)).collect(),
                    other => panic!("kind {other}"),
                }
            })
            .collect()
    }
}
