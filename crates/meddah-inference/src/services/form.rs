//! Forms as browsers send them (RFC 7578), with fields of text alone.

use reqwest::{Method, Url};

use crate::ModelError;
use crate::http::Call;

/// A POST of these fields.
pub(super) fn post(url: Url, fields: &[(&str, String)]) -> Result<Call, ModelError> {
    let boundary = boundary(fields);
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    let call = Call { method: Method::POST, ..Call::get(url) };
    let call = Call { body: body.into_bytes(), ..call };
    call.with_header("content-type", &format!("multipart/form-data; boundary={boundary}"))
}

/// What stands between the fields; none of them contains it.
fn boundary(fields: &[(&str, String)]) -> String {
    let mut boundary = "meddah-form".to_owned();
    while fields.iter().any(|(_, value)| value.contains(&boundary)) {
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
        let call = post("http://h/x".parse().unwrap(), &fields).unwrap();
        let body = String::from_utf8(call.body).unwrap();
        let expected = "--meddah-formx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--meddah-form--\r\n\r\n\
                        --meddah-formx\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nGrüße\r\n\
                        --meddah-formx--\r\n";
        assert_eq!(body, expected);
        assert_eq!(call.headers["content-type"], "multipart/form-data; boundary=meddah-formx");
    }
}
