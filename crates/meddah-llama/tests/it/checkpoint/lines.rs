//! Lines of text in which tokenizers tend to differ.

const WORDS: &[&str] = &[
    "the",
    "castle",
    "I'm",
    "don't",
    "we'll",
    "THEY'VE",
    "o'clock",
    "rock'n'roll",
    "Hello",
    "world",
    "It's",
    "blacksmith",
    "naïve",
    "façade",
    "Straße",
    "ÉCOLE",
    "İstanbul",
    "smörgåsbord",
    "e\u{301}te\u{301}",
    "n\u{303}",
    "Z\u{351}\u{36B}a\u{343}lgo",
    "ﬁnd",
    "Ⅷ",
    "½",
    "x²",
    "привет",
    "мир",
    "Ёлка",
    "γειά",
    "σου",
    "שלום",
    "مرحبا",
    "السَّلَامُ",
    "عليكم",
    "नमस्ते",
    "क्षत्रिय",
    "สวัสดี",
    "你好",
    "世界",
    "東京",
    "こんにちは",
    "カタカナ",
    "한국어",
    "안녕",
    "ქართული",
    "አማርኛ",
];
const NUMBERS: &[&str] =
    &["0", "42", "1234567890", "3.14159", "1,000,000", "0xDEADBEEF", "٣٤٥", "१२३", "１２", "-17", "2e10"];
const SIGNS: &[&str] = &[
    "!", "?!", "...", "…", "—", "«»", "\"", "''", "`", "```", "(", ")", "[]", "{}", "<", ">", "/*", "*/",
    "//", "->", "=>", "::", "&&", "||", "#", "$", "%", "^", "_", "__init__", "\\", "\\n", "~", "€", "£", "¿",
    "¡", "、", "。", "・", "\u{2581}", "▁▁", "\u{200B}", "\u{200D}", "\u{FE0F}", "\u{FEFF}", "\u{202E}",
    "\u{AD}",
];
const EMOJI: &[&str] = &["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇹🇷", "❤️", "🏴‍☠️", "🧙", "⚔", "🀄"];
const SPACES: &[&str] = &[
    " ", " ", " ", " ", "  ", "   ", "        ", "\t", "\t\t", "\n", "\n\n", "\r\n", " \n", "\n ", "\u{A0}",
    "\u{3000}", "\u{2003}", "\u{2028}", "",
];
const CONTROLS: &[&str] = &[
    "\u{0}",
    "\u{1}",
    "\u{7}",
    "\u{8}",
    "\u{B}",
    "\u{C}",
    "\u{1B}[0m",
    "\u{7F}",
    "\u{80}",
    "\u{85}",
    "\u{9F}",
];
const CODE: &[&str] = &[
    "fn main() {\n    println!(\"hi\");\n}",
    "for (int i=0;i<10;i++) a[i]+=1;",
    "SELECT * FROM t WHERE x>=1;",
    "def f(x):\n\treturn x**2\n",
    "<div class=\"a\">&nbsp;</div>",
    "https://example.com/a?b=c&d=%20",
    "C:\\dir\\file.txt",
    "{\"key\": [1, 2.5, null]}",
];
/// Texts of special tokens, and texts that only look like them.
pub const SPECIALS: &[&str] = &[
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|im_start",
    "|im_end|>",
    "<|IM_END|>",
    "<s>",
    "</s>",
    "<unk>",
    "<bos>",
    "<end_of_turn>",
    "<0x0A>",
    "[INST]",
    "<|",
    "|>",
    "<|im_start|>user\n",
];
const GROUPS: &[&[&str]] = &[WORDS, WORDS, WORDS, WORDS, NUMBERS, SIGNS, EMOJI, CONTROLS, CODE, SPECIALS];

/// Characters of all kinds that Unicode has assigned. Libraries sort the others differently, by the version
/// of Unicode that they know.
const RANGES: &[(u32, u32)] = &[
    (0x00A1, 0x0377),
    (0x0400, 0x052F),
    (0x0620, 0x065F),
    (0x0904, 0x0939),
    (0x1E00, 0x1F15),
    (0x2010, 0x2027),
    (0x2190, 0x23FF),
    (0x2500, 0x27BF),
    (0x3041, 0x3096),
    (0x30A0, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FEF),
    (0xAC00, 0xD7A3),
    (0xE000, 0xF8FF),
    (0xFF01, 0xFF5E),
    (0x1D400, 0x1D454),
    (0x1F300, 0x1F64F),
    (0x20000, 0x2A6D6),
];

/// So many lines, the same for the same seed.
pub fn lines(seed: u64, count: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| line(&mut random)).collect()
}

fn line(random: &mut fastrand::Rng) -> String {
    let mut line = String::new();
    for _ in 0..random.usize(1..14) {
        line += random.choice(SPACES.iter()).copied().unwrap_or_default();
        let group = GROUPS[random.usize(..GROUPS.len())];
        match random.u8(..16) {
            0 => {
                let (first, last) = RANGES[random.usize(..RANGES.len())];
                line.extend((0..3).filter_map(|_| char::from_u32(random.u32(first..=last))));
            }
            1 => line.extend(std::iter::repeat_n(' ', random.usize(1..40))),
            _ => line += group[random.usize(..group.len())],
        }
    }
    line
}
