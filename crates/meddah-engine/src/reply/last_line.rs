//! What a character says when nothing that was thought of may be said and its file has no line for it.

/// Languages and a line that fits whatever was asked.
const LAST_LINES: [(&str, &str); 15] = [
    ("en", "I do not know what to say to that."),
    ("de", "Dazu fällt mir nichts ein."),
    ("fr", "Je ne sais que dire."),
    ("es", "No sé qué decir a eso."),
    ("it", "Non so che dire."),
    ("pt", "Não sei o que dizer."),
    ("nl", "Daar weet ik niets op te zeggen."),
    ("sv", "Jag vet inte vad jag ska säga."),
    ("pl", "Nie wiem, co na to powiedzieć."),
    ("ru", "Не знаю, что и сказать."),
    ("uk", "Не знаю, що й сказати."),
    ("tr", "Buna ne diyeceğimi bilmiyorum."),
    ("ja", "何と言えばいいのか、わからない。"),
    ("ko", "뭐라고 말해야 할지 모르겠네."),
    ("zh", "我不知道该说什么。"),
];

/// The line in a language such as `en` or `pt-BR`; none in a language that is not among them.
pub fn last_line(language: &str) -> Option<&'static str> {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    let found = LAST_LINES.iter().find(|(known, _)| known.eq_ignore_ascii_case(primary));
    found.map(|(_, line)| *line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Guard, GuardRules, Judgement};

    #[test]
    fn every_last_line_may_be_said_in_its_language() {
        for (language, line) in LAST_LINES {
            let rules = GuardRules { language: language.into(), ..GuardRules::default() };
            assert_eq!(Guard::new(&rules).judge(line, false), Judgement::Say, "{language}: {line}");
        }
        assert_eq!(last_line("pt-BR"), Some("Não sei o que dizer."));
        assert_eq!(last_line("tlh"), None);
    }
}
