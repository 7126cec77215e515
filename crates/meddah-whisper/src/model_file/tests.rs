use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const WIDTH: u64 = 64;
const TOKENS: u64 = 51_864;

/// Band, frequency and weight, as faster-whisper computes them.
const KNOWN_FILTERS: [(usize, usize, f32); 5] = [
    (0, 1, 0.024_862_59),
    (10, 10, 0.019_908_22),
    (10, 11, 0.004_954_38),
    (79, 195, 0.002_243_8),
    (79, 200, 0.0),
];

/// A CTranslate2 model of one layer on each side, as small as one can be.
struct Folder {
    folder: TempDir,
    arrays: Vec<(String, Vec<u64>, u8)>,
}

impl Folder {
    fn new() -> Folder {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vocabulary.txt"), "a\nĠb\n<|endoftext|>\n").unwrap();
        let mut new = Folder { folder, arrays: Vec::new() };
        let halves: &[(&str, &[u64])] = &[
            ("decoder/embeddings/weight", &[TOKENS, WIDTH]),
            ("decoder/position_encodings/encodings", &[448, WIDTH]),
            ("encoder/position_encodings/encodings", &[1500, WIDTH]),
            ("encoder/conv1/weight", &[WIDTH, 80, 3]),
            ("encoder/conv1/bias", &[WIDTH]),
            ("encoder/conv2/weight", &[WIDTH, WIDTH, 3]),
            ("encoder/conv2/bias", &[WIDTH]),
        ];
        halves.iter().for_each(|(name, shape)| new.halves(name, shape));
        for side in ["encoder", "decoder"] {
            new.norm(&format!("{side}/layer_norm"));
            let layer = format!("{side}/layer_0");
            new.norm(&format!("{layer}/self_attention/layer_norm"));
            new.linear(&format!("{layer}/self_attention/linear_0"), 3 * WIDTH, WIDTH);
            new.linear(&format!("{layer}/self_attention/linear_1"), WIDTH, WIDTH);
            new.norm(&format!("{layer}/ffn/layer_norm"));
            new.linear(&format!("{layer}/ffn/linear_0"), 4 * WIDTH, WIDTH);
            new.linear(&format!("{layer}/ffn/linear_1"), WIDTH, 4 * WIDTH);
            new.arrays.push((format!("{side}/num_heads"), Vec::new(), 2));
        }
        new.norm("decoder/layer_0/attention/layer_norm");
        new.linear("decoder/layer_0/attention/linear_0", WIDTH, WIDTH);
        new.linear("decoder/layer_0/attention/linear_1", 2 * WIDTH, WIDTH);
        new.linear("decoder/layer_0/attention/linear_2", WIDTH, WIDTH);
        new
    }

    fn halves(&mut self, name: &str, shape: &[u64]) {
        self.arrays.push((name.to_owned(), shape.to_vec(), 4));
    }

    fn norm(&mut self, name: &str) {
        self.halves(&format!("{name}/gamma"), &[WIDTH]);
        self.halves(&format!("{name}/beta"), &[WIDTH]);
    }

    fn linear(&mut self, name: &str, rows: u64, columns: u64) {
        self.halves(&format!("{name}/weight"), &[rows, columns]);
        self.halves(&format!("{name}/bias"), &[rows]);
    }

    fn bytes(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let text = |file: &mut Vec<u8>, text: &str| {
            file.extend((text.len() as u16 + 1).to_le_bytes());
            file.extend(text.as_bytes());
            file.push(0);
        };
        file.extend(6_u32.to_le_bytes());
        text(&mut file, "WhisperSpec");
        file.extend(3_u32.to_le_bytes());
        file.extend((self.arrays.len() as u32).to_le_bytes());
        for (name, shape, number) in &self.arrays {
            text(&mut file, name);
            file.push(shape.len() as u8);
            shape.iter().for_each(|length| file.extend((*length as u32).to_le_bytes()));
            file.push(*number);
            let count: u64 = shape.iter().product();
            file.extend((count as u32 * 2).to_le_bytes());
            // Each number is that of its row, so that a part can be told from another.
            let columns = shape.iter().skip(1).product::<u64>().max(1);
            let value = |place: u64| half::f16::from_f32((place / columns) as f32).to_le_bytes();
            match number {
                2 => file.extend(1_i16.to_le_bytes()),
                _ => (0..count).for_each(|place| file.extend(value(place))),
            }
        }
        file
    }

    fn write(&self) -> PathBuf {
        std::fs::write(self.folder.path().join("model.bin"), self.bytes()).unwrap();
        self.folder.path().to_owned()
    }
}

fn converted(folder: &Path) -> Result<Vec<u8>, ModelFileError> {
    let conversion = Conversion::open(folder, Weights::Q8_0)?;
    let (bytes, mut file) = (conversion.bytes(), Vec::new());
    let mut wrote = 0;
    conversion.write(&mut file, &mut |bytes| wrote = bytes, &|| false)?;
    assert_eq!((file.len() as u64, wrote), (bytes, bytes));
    Ok(file)
}

#[test]
fn a_folder_becomes_a_file_that_can_be_checked() {
    let folder = Folder::new();
    let file = folder.folder.path().join("model.ggml.bin");
    let bytes = converted(&folder.write()).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    let model = ModelFile::check(&file).unwrap();
    assert_eq!((model.is_multilingual, model.bytes), (false, bytes.len() as u64));
    let name = b"decoder.blocks.0.attn.value.bias";
    let place = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let first = f32::from_le_bytes(bytes[place..place + 4].try_into().unwrap());
    assert_eq!(first, 2.0 * WIDTH as f32, "values come after queries and keys");
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let folder = Folder::new();
    let bytes = converted(&folder.write()).unwrap();
    let file = folder.folder.path().join("cut.bin");
    for length in [0, 3, 20, 60, 70_000, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&file, &bytes[..length]).unwrap();
        assert!(ModelFile::check(&file).is_err(), "{length}");
    }
}

#[test]
fn what_is_missing_or_of_another_kind_is_told() {
    let mut folder = Folder::new();
    folder.arrays.retain(|(name, ..)| name != "decoder/layer_0/attention/linear_2/bias");
    let error = converted(&folder.write()).unwrap_err();
    assert!(error.message.contains("decoder/layer_0/attention/linear_2/bias"), "{error}");
    let mut bytes = Folder::new().bytes();
    bytes[6] = b'X';
    std::fs::write(folder.folder.path().join("model.bin"), bytes).unwrap();
    assert_eq!(converted(folder.folder.path()).unwrap_err().kind, ModelFileErrorKind::Unsupported);
    let error = Conversion::open(&folder.folder.path().join("nowhere"), Weights::F16).err().unwrap();
    assert_eq!(error.kind, ModelFileErrorKind::Storage);
}

#[test]
fn the_filters_are_those_that_whisper_was_trained_with() {
    let filters = mel::filters(80);
    let at = |band: usize, frequency: usize| filters[band * mel::FREQUENCIES + frequency];
    let near = |value: f32, known: f32| assert!((value - known).abs() < 1e-7, "{value} {known}");
    for (band, frequency, known) in KNOWN_FILTERS {
        near(at(band, frequency), known);
    }
}

#[test]
fn eight_bits_are_near_and_sixteen_are_the_same() {
    let folder = Folder::new();
    for weights in [Weights::F16, Weights::Q8_0] {
        let conversion = Conversion::open(&folder.write(), weights).unwrap();
        let mut file = Vec::new();
        conversion.write(&mut file, &mut |_| (), &|| false).unwrap();
        let name = b"decoder.blocks.0.attn.key.weight";
        let place = file.windows(name.len()).position(|window| window == name).unwrap() + name.len();
        // The last row of the keys, whose numbers are all the same.
        let before = ((WIDTH - 1) * WIDTH) as usize;
        let half = |at: usize| half::f16::from_le_bytes([file[at], file[at + 1]]).to_f32();
        let value = match weights {
            Weights::F16 => half(place + before * 2),
            Weights::Q8_0 => {
                let block = place + before / 32 * 34;
                half(block) * f32::from(file[block + 2].cast_signed())
            }
        };
        assert!((value - (2 * WIDTH - 1) as f32).abs() < 0.1, "{weights:?} {value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_that_are_no_model_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), magic in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.bin");
        std::fs::write(&file, if magic { [&MAGIC[..], &bytes].concat() } else { bytes.clone() }).unwrap();
        std::fs::write(folder.path().join("vocabulary.txt"), "a\n<|endoftext|>\n").unwrap();
        prop_assert!(ModelFile::check(&file).is_err());
        std::fs::write(&file, [&6_u32.to_le_bytes()[..], b"\x0c\0WhisperSpec\0", &bytes].concat()).unwrap();
        prop_assert!(Conversion::open(folder.path(), Weights::F16).is_err());
    }
}
