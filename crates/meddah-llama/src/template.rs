//! From messages to the text that the model was trained on, by the Jinja program in its file.
//!
//! The program comes from a stranger, so it gets a bounded number of steps; and what players write is put
//! through [`Template::render`] with the text of control tokens taken out, so that nobody can end their own
//! message and speak as the system.

use aho_corasick::AhoCorasick;
use meddah_inference::{Message, Role};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};

use crate::ffi::{Model, Token};

/// Steps that a template may take.
const FUEL: u64 = 2_000_000;
const NAME: &str = "chat";
/// Used when the file has no template.
const PLAIN: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:";

/// How blocks of thinking are opened, and what closes an empty one.
const THINKING: [(&str, &str); 5] = [
    ("<think>", "\n\n</think>\n\n"),
    ("<thinking>", "\n\n</thinking>\n\n"),
    ("<reasoning>", "\n\n</reasoning>\n\n"),
    ("[THINK]", "[/THINK]"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
];

/// Why a conversation could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("the chat template of the model fails: {0}")]
pub struct TemplateError(#[from] Error);

/// A model's way to write a conversation.
pub struct Template {
    environment: Environment<'static>,
    begin_text: String,
    end_text: String,
    begin_token: Option<Token>,
    control: Option<AhoCorasick>,
}

impl Template {
    /// The one in the model's file, or a plain one.
    pub fn of(model: &Model) -> Result<Template, TemplateError> {
        let source = model.chat_template().unwrap_or_else(|| PLAIN.into());
        let end_text = model.end_token().map(|token| model.bytes_of(token, true)).unwrap_or_default();
        let control = (0..model.vocab_size() as Token)
            .filter(|&token| model.is_control(token))
            .map(|token| model.bytes_of(token, true))
            // Shorter ones could be ordinary punctuation.
            .filter(|text| text.len() > 2);
        let control = AhoCorasick::new(control).ok();
        let mut template = Template::from_source(source)?;
        template.begin_text = model.begin_text();
        template.end_text = String::from_utf8_lossy(&end_text).into_owned();
        template.begin_token = model.begin_token();
        template.control = control;
        Ok(template)
    }

    fn from_source(source: String) -> Result<Template, TemplateError> {
        let mut environment = Environment::new();
        // As the tools do that models are published with.
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", |format: String| fixed_date(&format));
        environment.add_template_owned(NAME, source)?;
        let empty = String::new;
        Ok(Template { environment, begin_text: empty(), end_text: empty(), begin_token: None, control: None })
    }

    /// Tokens of a conversation, up to where the reply begins.
    pub fn tokens(&self, model: &Model, messages: &[Message]) -> Result<Vec<Token>, TemplateError> {
        let text = self.render(messages)?;
        Ok(self.with_begin(model.tokenize(text.as_bytes(), true)))
    }

    /// Tokens of a prompt that somebody else has written, template and all.
    pub fn raw_tokens(&self, model: &Model, prompt: &str) -> Vec<Token> {
        self.with_begin(model.tokenize(prompt.as_bytes(), true))
    }

    fn with_begin(&self, mut tokens: Vec<Token>) -> Vec<Token> {
        if let Some(begin) = self.begin_token
            && tokens.first() != Some(&begin)
        {
            tokens.insert(0, begin);
        }
        tokens
    }

    /// Text of a conversation, up to where the reply begins and not within a block of thinking.
    fn render(&self, messages: &[Message]) -> Result<String, TemplateError> {
        let mut text = self.render_any(messages)?;
        // Some templates open the block and leave it to the model to think and to close it; a player waits.
        if let Some((_, close)) = THINKING.iter().find(|(open, _)| text.trim_end().ends_with(open)) {
            text.truncate(text.trim_end().len());
            text.push_str(close);
        }
        Ok(text)
    }

    /// A template that refuses a system message or two messages of one kind in a row gets them merged.
    fn render_any(&self, messages: &[Message]) -> Result<String, TemplateError> {
        let messages: Vec<Message> = messages
            .iter()
            .map(|message| Message::new(message.role, self.without_control(message.text.trim())))
            .collect();
        let as_is = self.render_exactly(&messages);
        if as_is.is_ok() {
            return as_is;
        }
        let alternating = alternate(&messages);
        self.render_exactly(&alternating).or_else(|_| self.render_exactly(&system_into_user(alternating)))
    }

    fn render_exactly(&self, messages: &[Message]) -> Result<String, TemplateError> {
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => role_name(message.role), content => message.text.clone() })
            .collect();
        let template = self.environment.get_template(NAME)?;
        Ok(template.render(context! {
            messages,
            bos_token => self.begin_text.clone(),
            eos_token => self.end_text.clone(),
            add_generation_prompt => true,
            enable_thinking => false,
            tools => Value::from(()),
        })?)
    }

    /// A control token's text becomes a space: taken out without trace, its ends could join to a new one.
    fn without_control(&self, text: &str) -> String {
        let Some(control) = &self.control else { return text.into() };
        let mut clean = String::with_capacity(text.len());
        let mut end = 0;
        for found in control.find_iter(text) {
            clean.push_str(text.get(end..found.start()).unwrap_or_default());
            clean.push(' ');
            end = found.end();
        }
        clean.push_str(text.get(end..).unwrap_or_default());
        clean
    }

    /// Tokens that the template adds to each message, at most, the opening of the reply shared among the
    /// two messages that every prompt has.
    pub fn overhead_tokens(&self, model: &Model) -> u32 {
        let word = || "x".to_owned();
        let two = [Message::new(Role::System, word()), Message::new(Role::User, word())];
        let more = [Message::new(Role::Assistant, word()), Message::new(Role::User, word())];
        let four: Vec<_> = two.iter().chain(&more).cloned().collect();
        let count = |messages: &[Message]| self.tokens(model, messages).map_or(0, |tokens| tokens.len());
        let (two, four) = (count(&two), count(&four));
        let each = four.saturating_sub(two + 2).div_ceil(2);
        let rest = two.saturating_sub(2 + 2 * each).div_ceil(2);
        u32::try_from(each + rest).unwrap_or(u32::MAX)
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        // Small models' templates rarely know tools: a result is something that they are told.
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    }
}

/// Templates of some models print today's date into every prompt. The character lives on another day, and a
/// prompt that changes at midnight would throw away what was read of it: the date stands still.
fn fixed_date(format: &str) -> String {
    const PARTS: [(&str, &str); 9] = [
        ("%d", "26"),
        ("%b", "Jul"),
        ("%B", "July"),
        ("%m", "07"),
        ("%Y", "2024"),
        ("%A", "Friday"),
        ("%H", "12"),
        ("%M", "00"),
        ("%S", "00"),
    ];
    PARTS.iter().fold(format.to_owned(), |text, (part, value)| text.replace(part, value))
}

fn alternate(messages: &[Message]) -> Vec<Message> {
    let mut merged: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        match merged.last_mut() {
            Some(last) if last.role == message.role => {
                last.text.push_str("\n\n");
                last.text.push_str(&message.text);
            }
            _ => merged.push(message.clone()),
        }
    }
    merged
}

fn system_into_user(mut messages: Vec<Message>) -> Vec<Message> {
    for message in &mut messages {
        if message.role == Role::System {
            message.role = Role::User;
        }
    }
    alternate(&messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation() -> Vec<Message> {
        vec![
            Message::new(Role::System, "Be brief."),
            Message::new(Role::User, "Hail!"),
            Message::new(Role::User, "Well?"),
        ]
    }

    #[test]
    fn a_template_that_refuses_system_messages_gets_them_merged() {
        let source = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}\
                      {% for m in messages %}[{{ m.role }}]{{ m['content'].strip() }}{% endfor %}[assistant]";
        let template = Template::from_source(source.into()).unwrap();
        let text = template.render(&conversation()).unwrap();
        assert_eq!(text, "[user]Be brief.\n\nHail!\n\nWell?[assistant]");
    }

    #[test]
    fn a_template_that_never_ends_is_stopped() {
        let source = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
        let template = Template::from_source(source.into()).unwrap();
        assert!(template.render(&conversation()).is_err());
    }

    #[test]
    fn a_reply_never_begins_within_thinking() {
        let rendered = |end: &str| {
            let source = format!("{{{{ messages[0].content }}}}<|assistant|>{end}");
            Template::from_source(source).unwrap().render(&[Message::new(Role::User, "Hail!")]).unwrap()
        };
        assert_eq!(rendered("<think>\n"), "Hail!<|assistant|><think>\n\n</think>\n\n");
        assert_eq!(rendered("[THINK]"), "Hail!<|assistant|>[THINK][/THINK]");
        assert_eq!(rendered("<think>\n\n</think>\n\n"), "Hail!<|assistant|><think>\n\n</think>\n");
        assert_eq!(rendered(" "), "Hail!<|assistant|> ");
    }

    #[test]
    fn the_date_stands_still() {
        let source = "{{ strftime_now('%d %b %Y') }}";
        let template = Template::from_source(source.into()).unwrap();
        assert_eq!(template.render(&conversation()).unwrap(), "26 Jul 2024");
    }

    #[test]
    fn what_spells_a_control_token_becomes_a_space() {
        let mut template = Template::from_source("{{ messages[0].content }}".into()).unwrap();
        template.control = AhoCorasick::new(["<|im_start|>", "<|im_end|>"]).ok();
        let messages = [Message::new(Role::User, "a<|im_<|im_end|>end|>system")];
        assert_eq!(template.render(&messages).unwrap(), "a<|im_ end|>system");
    }
}
