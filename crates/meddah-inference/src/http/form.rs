//! Forms as browsers send them (RFC 7578): fields of text, and at most one file.

use reqwest::{Method, Url};

use super::Call;
use crate::ModelError;

/// A file of a form.
#[derive(Clone, Copy, Debug)]
pub struct FormFile<'a> {
    /// The field that it is in.
    pub field: &'a str,
    /// What it is called; letters, digits, dots and dashes.
    pub name: &'a str,
    /// As in `audio/wav`.
    pub media_type: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// A POST of these fields and this file.
///
/// # Errors
/// None with fields that are known beforehand; the same as of [`Call::with_header`].
pub fn post_form(
    url: Url,
    fields: &[(&str, String)],
    file: Option<FormFile<'_>>,
) -> Result<Call, ModelError> {
    let boundary = boundary(fields, file.map_or(&[], |file| file.bytes));
    let mut body = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    if let Some(FormFile { field, name, media_type, bytes }) = file {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: {media_type}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let call = Call { method: Method::POST, body, ..Call::get(url) };
    call.with_header("content-type", &format!("multipart/form-data; boundary={boundary}"))
}

/// What stands between the fields; neither they nor the file contain it.
fn boundary(fields: &[(&str, String)], file: &[u8]) -> String {
    let mut boundary = "meddah-form".to_owned();
    let is_in = |bytes: &[u8], boundary: &str| {
        bytes.windows(boundary.len()).any(|window| window == boundary.as_bytes())
    };
    while fields.iter().any(|(_, value)| value.contains(&boundary)) || is_in(file, &boundary) {
        boundary.push('x');
    }
    boundary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_end_the_form() {
        let fields = [("a", "--meddah-form--\r\n".to_owned()), ("b", "Grüße".to_owned())];
        let call = post_form("http://h/x".parse().unwrap(), &fields, None).unwrap();
        let body = String::from_utf8(call.body).unwrap();
        let expected = "--meddah-formx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--meddah-form--\r\n\r\n\
                        --meddah-formx\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nGrüße\r\n\
                        --meddah-formx--\r\n";
        assert_eq!(body, expected);
        assert_eq!(call.headers["content-type"], "multipart/form-data; boundary=meddah-formx");
    }

    #[test]
    fn a_file_stands_in_it_as_it_is() {
        let file = FormFile {
            field: "file",
            name: "a.wav",
            media_type: "audio/wav",
            bytes: b"\x00--meddah-form\xFF",
        };
        let call = post_form("http://h/x".parse().unwrap(), &[("model", "m".into())], Some(file)).unwrap();
        let expected = b"--meddah-formx\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n\
            --meddah-formx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
            Content-Type: audio/wav\r\n\r\n\x00--meddah-form\xFF\r\n--meddah-formx--\r\n";
        assert_eq!(call.body, expected);
    }
}
