//! HTML as plain text. Cards hold bits of it, often broken, so nothing here asks for a whole document.

/// A tag longer than this is none.
const TAG_BYTES_MAX: usize = 2000;
/// Tags that end a line.
const LINE_ENDS: [&str; 12] = ["br", "p", "div", "li", "ul", "ol", "tr", "h1", "h2", "h3", "h4", "hr"];
/// Tags whose content is no text.
const NO_TEXT: [&str; 2] = ["script", "style"];

/// The text without tags and comments, entities resolved.
pub(super) fn to_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(tag) = Tag::at(rest) else {
            text.push('<');
            rest = &rest[1..];
            continue;
        };
        if LINE_ENDS.contains(&tag.name.as_str()) {
            text.push('\n');
        }
        rest = &rest[tag.len..];
        if NO_TEXT.contains(&tag.name.as_str()) && !tag.closes {
            rest = after_closing(rest, &tag.name);
        }
    }
    text.push_str(rest);
    html_escape::decode_html_entities(&text).into_owned()
}

struct Tag {
    /// Small letters; a comment has none.
    name: String,
    closes: bool,
    len: usize,
}

impl Tag {
    /// The tag that the text begins with.
    fn at(text: &str) -> Option<Tag> {
        if text.starts_with("<!--") {
            let len = text.find("-->").map_or(text.len(), |end| end + 3);
            return Some(Tag { name: String::new(), closes: false, len });
        }
        let window = &text[..text.floor_char_boundary(TAG_BYTES_MAX)];
        let inside = &window[1..window.find('>')?];
        let closes = inside.starts_with('/');
        let named = inside.strip_prefix('/').unwrap_or(inside);
        // `<3` and `a < b > c` are no tags; a second `<` means that the first one was none.
        if !named.starts_with(|c: char| c.is_ascii_alphabetic()) || inside.contains('<') {
            return None;
        }
        let name = named.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        Some(Tag { name: name.to_ascii_lowercase(), closes, len: inside.len() + 2 })
    }
}

fn after_closing<'t>(text: &'t str, name: &str) -> &'t str {
    let closing = format!("</{name}");
    let end = text.to_ascii_lowercase().find(&closing);
    end.map_or("", |end| &text[end..])
}

#[cfg(test)]
mod tests {
    use super::to_text;

    #[test]
    fn tags_go_and_text_stays() {
        for (html, text) in [
            ("<b>Mira</b> &lt;3 <i>tea</i>", "Mira <3 tea"),
            ("one<br/>two<BR>three", "one\ntwo\nthree"),
            ("I <3 you, 1 < 2 and 3 > 2", "I <3 you, 1 < 2 and 3 > 2"),
            ("a<!-- hidden -->b<script>alert('<b>')</script>c<style>x", "abc"),
            ("<div style=\"color:red\">x</div", "\nx</div"),
            ("<", "<"),
            ("<<b>>", "<>"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }
}
