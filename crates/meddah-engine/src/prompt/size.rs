//! How much a model can make of a prompt: four sizes, told from what is known of the model.

/// Up to so many weights, a model copies what it said before instead of answering: it reads no past.
const TINY_PARAMETERS_MAX: u64 = 400_000_000;
/// Up to so many weights, only short and plain prompts help.
const SMALL_PARAMETERS_MAX: u64 = 1_500_000_000;
/// Up to so many, a prompt still has to be tidy.
const MEDIUM_PARAMETERS_MAX: u64 = 15_000_000_000;
/// A window below this has room for a small prompt only, in tokens.
const MEDIUM_WINDOW_MIN: u32 = 3 * 1024;
/// A model of which nothing is known but a window of at least this is a large one elsewhere, in tokens.
const LARGE_WINDOW_MIN: u32 = 32 * 1024;

/// What is known of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelFacts<'m> {
    /// Its name; often says how large it is, as in `qwen2.5-7b`.
    pub name: &'m str,
    /// How many weights it has.
    pub parameters: Option<u64>,
    /// Tokens of prompt and reply together.
    pub context_tokens: u32,
    /// It runs in this program, which scores choices one by one, before or beside a reply.
    pub scores_choices: bool,
}

/// How much a model can make of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromptSize {
    /// The least: who it is, what it knows, what is asked. Up to 400 million weights.
    Tiny,
    /// Plain words and little of them: up to about 1.5 billion weights, or a window of 2,000 tokens.
    Small,
    /// What fits on most PCs.
    #[default]
    Medium,
    /// Models of data centres.
    Large,
}

impl PromptSize {
    /// The size for a model.
    pub fn of(facts: &ModelFacts<'_>) -> PromptSize {
        let size = PromptSize::by_weights(facts);
        if facts.context_tokens < MEDIUM_WINDOW_MIN { size.min(PromptSize::Small) } else { size }
    }

    fn by_weights(facts: &ModelFacts<'_>) -> PromptSize {
        match facts.parameters.or_else(|| parameters_in_name(facts.name)) {
            Some(parameters) if parameters <= TINY_PARAMETERS_MAX => PromptSize::Tiny,
            Some(parameters) if parameters <= SMALL_PARAMETERS_MAX => PromptSize::Small,
            Some(parameters) if parameters <= MEDIUM_PARAMETERS_MAX => PromptSize::Medium,
            Some(_) => PromptSize::Large,
            None if facts.context_tokens >= LARGE_WINDOW_MIN => PromptSize::Large,
            None => PromptSize::Medium,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            PromptSize::Tiny => "tiny",
            PromptSize::Small => "small",
            PromptSize::Medium => "medium",
            PromptSize::Large => "large",
        }
    }
}

/// `SmolLM2-135M-Instruct`, `qwen2.5:0.5b`, `mixtral-8x7b`: the number before a `b` or `m` that stands alone.
fn parameters_in_name(name: &str) -> Option<u64> {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.filter_map(parameters_in_word).max()
}

fn parameters_in_word(word: &str) -> Option<u64> {
    let (digits, unit) = match (word.strip_suffix('b'), word.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1e9),
        (_, Some(digits)) => (digits, 1e6),
        _ => return None,
    };
    let (experts, each) = digits.split_once('x').unwrap_or(("1", digits));
    let (experts, each): (f64, f64) = (experts.parse().ok()?, each.parse().ok()?);
    Some((experts * each * unit) as u64).filter(|&parameters| parameters > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, parameters: Option<u64>, context_tokens: u32, expected: PromptSize) {
        let facts = ModelFacts { name, parameters, context_tokens, scores_choices: false };
        assert_eq!(PromptSize::of(&facts), expected, "{facts:?}");
    }

    #[test]
    fn the_size_comes_from_the_weights_the_name_or_the_window() {
        check("anything", Some(134_515_008), 4096, PromptSize::Tiny);
        check("anything", Some(134_515_008), 2048, PromptSize::Tiny);
        check("anything", Some(1_200_000_000), 4096, PromptSize::Small);
        check("anything", Some(7_000_000_000), 4096, PromptSize::Medium);
        check("anything", Some(70_000_000_000), 8192, PromptSize::Large);
        check("a-7b-model", Some(7_000_000_000), 2048, PromptSize::Small);
        check("SmolLM2-135M-Instruct.Q4_1", None, 8192, PromptSize::Tiny);
        check("qwen2.5:0.5b", None, 32_768, PromptSize::Small);
        check("llama-3.1-8b-instant", None, 131_072, PromptSize::Medium);
        check("mixtral-8x7b", None, 32_768, PromptSize::Large);
        check("gpt-4.1-mini", None, 1_000_000, PromptSize::Large);
        check("scripted", None, 4096, PromptSize::Medium);
        check("web-b-m", None, 8192, PromptSize::Medium);
    }
}
