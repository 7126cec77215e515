//! How weights are stored in a GGUF file.

/// A way of storing numbers. Those with a Q are blocks of small whole numbers with a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WeightType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// `d * (q - 8)`, q of 4 bits, 32 to a block.
    Q4_0,
    /// `d * (q - 16)`, q of 5 bits, 32 to a block.
    Q5_0,
    /// `d * q`, q of 8 bits with a sign, 32 to a block.
    Q8_0,
    /// 4 bits, scales and minima in blocks of 256.
    Q4K,
    /// 6 bits, scales in blocks of 256.
    Q6K,
}

impl WeightType {
    /// ggml's number for it.
    pub fn id(self) -> u32 {
        match self {
            WeightType::F32 => 0,
            WeightType::F16 => 1,
            WeightType::Q4_0 => 2,
            WeightType::Q5_0 => 6,
            WeightType::Q8_0 => 8,
            WeightType::Q4K => 12,
            WeightType::Q6K => 14,
        }
    }

    /// `general.file_type` of a file that mostly has this.
    pub fn file_type(self) -> u32 {
        match self {
            WeightType::F32 => 0,
            WeightType::F16 => 1,
            WeightType::Q4_0 => 2,
            WeightType::Q8_0 => 7,
            WeightType::Q5_0 => 8,
            WeightType::Q4K => 15,
            WeightType::Q6K => 18,
        }
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            WeightType::F32 => "F32",
            WeightType::F16 => "F16",
            WeightType::Q4_0 => "Q4_0",
            WeightType::Q5_0 => "Q5_0",
            WeightType::Q8_0 => "Q8_0",
            WeightType::Q4K => "Q4_K",
            WeightType::Q6K => "Q6_K",
        }
    }

    /// Numbers and bytes of a block.
    pub fn block(self) -> (u64, u64) {
        match self {
            WeightType::F32 => (1, 4),
            WeightType::F16 => (1, 2),
            WeightType::Q4_0 => (32, 18),
            WeightType::Q5_0 => (32, 22),
            WeightType::Q8_0 => (32, 34),
            WeightType::Q4K => (256, 144),
            WeightType::Q6K => (256, 210),
        }
    }

    /// Bytes of so many numbers, which are whole blocks.
    pub fn bytes(self, numbers: u64) -> u64 {
        let (block_numbers, block_bytes) = self.block();
        numbers / block_numbers * block_bytes
    }

    /// The nearest type whose blocks fill a row of this length; llama.cpp falls back in the same way.
    pub fn fitting(self, columns: u64) -> WeightType {
        let fits = |kind: WeightType| columns.is_multiple_of(kind.block().0);
        let fallback = match self {
            WeightType::Q4K => WeightType::Q5_0,
            WeightType::Q6K => WeightType::Q8_0,
            _ => WeightType::F16,
        };
        match self {
            kind if fits(kind) => kind,
            _ if fits(fallback) => fallback,
            _ => WeightType::F16,
        }
    }
}

/// What the weights of a checkpoint that is not quantised become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantize {
    /// As good as the original, 8.5 bits a weight.
    #[default]
    Q8_0,
    /// Half of that; llama.cpp is fastest with it.
    Q4_0,
    /// Between the two.
    Q5_0,
    /// 4 bits with better scales, the more sensitive weights with 6.
    Q4KM,
    /// Nothing is quantised.
    F16,
}

/// Weights that a mix of types tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The embedding, and the output matrix.
    Vocabulary,
    /// Rows whose errors show most: `attn_v` and `ffn_down`.
    Sensitive,
    /// Everything else with two dimensions.
    Plain,
}

impl Quantize {
    /// The type for a part of a layer; `layer` of `layers` counts from 0.
    pub fn of(self, part: Part, layer: u64, layers: u64) -> WeightType {
        match (self, part) {
            (Quantize::F16, _) => WeightType::F16,
            (Quantize::Q8_0, _) | (Quantize::Q4_0 | Quantize::Q5_0, Part::Vocabulary) => WeightType::Q8_0,
            (Quantize::Q4_0, _) => WeightType::Q4_0,
            (Quantize::Q5_0, _) => WeightType::Q5_0,
            (Quantize::Q4KM, Part::Vocabulary) => WeightType::Q6K,
            // llama.cpp's choice: the first and the last eighth of the layers, and every third between.
            (Quantize::Q4KM, Part::Sensitive)
                if layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2 =>
            {
                WeightType::Q6K
            }
            (Quantize::Q4KM, _) => WeightType::Q4K,
        }
    }
}

impl std::str::FromStr for Quantize {
    type Err = ();

    fn from_str(text: &str) -> Result<Quantize, ()> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "q8_0" => Quantize::Q8_0,
            "q4_0" => Quantize::Q4_0,
            "q5_0" => Quantize::Q5_0,
            "q4_k_m" => Quantize::Q4KM,
            "f16" => Quantize::F16,
            _ => return Err(()),
        })
    }
}
