//! The providers that are known by name.

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's chat completions, in one of its dialects.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's generateContent.
    Gemini,
    /// Ollama's chat.
    Ollama,
    /// KoboldCpp's generate.
    KoboldCpp,
}

/// What is known of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderInfo {
    /// As in `provider = "openai"`.
    pub name: &'static str,
    /// Where it is; empty if only the player knows.
    pub base_url: &'static str,
    /// Refuses without a key.
    pub needs_key: bool,
    /// Somebody gets a bill.
    pub paid: bool,
    /// What its key is called in the key file.
    pub key_name: &'static str,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Path of the version below the host, where the base has none.
    pub(super) version: &'static str,
}

const fn paid(
    name: &'static str,
    base_url: &'static str,
    version: &'static str,
    protocol: Protocol,
) -> ProviderInfo {
    ProviderInfo { name, base_url, needs_key: true, paid: true, key_name: name, protocol, version }
}

const fn own(
    name: &'static str,
    base_url: &'static str,
    version: &'static str,
    protocol: Protocol,
) -> ProviderInfo {
    ProviderInfo { name, base_url, needs_key: false, paid: false, key_name: name, protocol, version }
}

const KNOWN: [ProviderInfo; 20] = [
    paid("openai", "https://api.openai.com/v1", "v1", Protocol::Chat),
    ProviderInfo {
        key_name: "openai",
        ..paid("openai-responses", "https://api.openai.com/v1", "v1", Protocol::Responses)
    },
    paid("anthropic", "https://api.anthropic.com/v1", "v1", Protocol::Anthropic),
    paid("gemini", "https://generativelanguage.googleapis.com/v1beta", "v1beta", Protocol::Gemini),
    paid("openrouter", "https://openrouter.ai/api/v1", "api/v1", Protocol::Chat),
    paid("groq", "https://api.groq.com/openai/v1", "openai/v1", Protocol::Chat),
    paid("deepseek", "https://api.deepseek.com/v1", "v1", Protocol::Chat),
    paid("xai", "https://api.x.ai/v1", "v1", Protocol::Chat),
    paid("mistral", "https://api.mistral.ai/v1", "v1", Protocol::Chat),
    paid("inworld", "https://api.inworld.ai/v1", "v1", Protocol::Chat),
    // Runs on this computer, bills in its own coin; it knows the player by itself.
    ProviderInfo { needs_key: false, ..paid("player2", "http://127.0.0.1:4315/v1", "v1", Protocol::Chat) },
    // Whoever it is may well send a bill.
    ProviderInfo { needs_key: false, ..paid("openai-compatible", "", "v1", Protocol::Chat) },
    // Somebody's `meddah host`: free to the player, within what its owner allows.
    own("host", "", "v1", Protocol::Chat),
    own("ollama", "http://127.0.0.1:11434", "", Protocol::Ollama),
    own("koboldcpp", "http://127.0.0.1:5001", "", Protocol::KoboldCpp),
    own("koboldcpp-openai", "http://127.0.0.1:5001/v1", "v1", Protocol::Chat),
    own("llama-server", "http://127.0.0.1:8080/v1", "v1", Protocol::Chat),
    own("lmstudio", "http://127.0.0.1:1234/v1", "v1", Protocol::Chat),
    own("vllm", "http://127.0.0.1:8000/v1", "v1", Protocol::Chat),
    own("text-generation-webui", "http://127.0.0.1:5000/v1", "v1", Protocol::Chat),
];

/// All providers that are known by name.
pub fn known() -> &'static [ProviderInfo] {
    &KNOWN
}

/// The provider of this name.
pub fn provider(name: &str) -> Option<&'static ProviderInfo> {
    KNOWN.iter().find(|info| info.name == name)
}
