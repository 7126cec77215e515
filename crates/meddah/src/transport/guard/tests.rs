use axum::http::Request;

use super::*;

const TOKEN: &str = "0123456789abcdef";

/// What comes of a request: `ok` or the error's code.
fn check(guard: &Guard, line: &str, headers: &[(&str, &str)]) -> String {
    let (method, address) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    match guard.check(&parts) {
        Ok(()) => "ok".into(),
        Err(error) => {
            assert!(!error.help.is_empty());
            format!("{:?}", error.code)
        }
    }
}

fn open() -> Guard {
    Guard::new(TOKEN.into(), false, vec!["https://cfx-nui-mod".into(), "null".into()])
}

fn closed() -> Guard {
    Guard::new(TOKEN.into(), true, vec!["https://cfx-nui-mod".into()])
}

#[test]
fn only_loopback_names_are_hosts() {
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:7842", "[::1]", "[::1]:7842"] {
        assert_eq!(check(&open(), "POST /v1/talk", &[("host", host)]), "ok", "{host}");
    }
    let foreign = [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "evil@localhost",
        "0.0.0.0",
        "10.0.0.2",
        "[::]",
        "::1",
        "",
        "localhost:x",
        "127.0.0.2",
        "2130706433",
    ];
    for host in foreign {
        assert_eq!(check(&open(), "POST /v1/talk", &[("host", host)]), "Forbidden", "{host}");
    }
    let two = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(check(&open(), "POST /v1/talk", &two), "Forbidden");
    let line = "POST http://evil.example/v1/talk";
    assert_eq!(check(&open(), line, &[("host", "localhost")]), "Forbidden");
    assert_eq!(check(&open(), "GET /v1/health", &[]), "Forbidden", "HTTP/1.1 always names a host");
}

#[test]
fn http_1_0_may_leave_the_host_out() {
    let (parts, ()) =
        Request::builder().uri("/v1/health").version(Version::HTTP_10).body(()).unwrap().into_parts();
    assert!(open().check(&parts).is_ok());
}

#[test]
fn pages_need_an_allowed_origin_or_the_token() {
    let host = ("host", "127.0.0.1:7842");
    let bearer = format!("Bearer {TOKEN}");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("origin", "https://evil.example")], "Forbidden"),
        (&[("origin", "null")], "Forbidden"),
        (&[("origin", "https://cfx-nui-mod.evil.example")], "Forbidden"),
        (&[("origin", "http://127.0.0.1:7842")], "Forbidden"),
        (&[("origin", "https://cfx-nui-mod")], "ok"),
        (&[("origin", "https://cfx-nui-mod"), ("origin", "https://evil.example")], "Forbidden"),
        (&[("origin", "https://cfx-nui-mod"), ("sec-fetch-site", "cross-site")], "ok"),
        (&[("sec-fetch-site", "cross-site")], "Forbidden"),
        (&[("sec-fetch-site", "same-site")], "Forbidden"),
        (&[("sec-fetch-site", "same-origin")], "ok"),
        (&[("sec-fetch-site", "none")], "ok"),
        (&[("origin", "https://evil.example"), ("authorization", &bearer)], "ok"),
        (&[("sec-fetch-site", "cross-site"), ("authorization", &bearer)], "ok"),
        (&[("origin", "https://evil.example"), ("authorization", "Bearer 0")], "Unauthorized"),
        (&[("authorization", "Bearer sk-of-some-other-program")], "ok"),
        (&[], "ok"),
    ];
    for (headers, expected) in cases {
        let headers: Vec<_> = std::iter::once(host).chain(headers.iter().copied()).collect();
        assert_eq!(check(&open(), "POST /v1/talk", &headers), *expected, "{headers:?}");
    }
}

#[test]
fn with_require_token_only_health_is_open() {
    let host = ("host", "localhost");
    let bearer = format!("bearer {TOKEN}");
    assert_eq!(check(&closed(), "GET /v1/health", &[host]), "ok");
    assert_eq!(check(&closed(), "GET /v1/sessions/s/events", &[host]), "Unauthorized");
    assert_eq!(check(&closed(), "POST /v1/talk", &[host, ("origin", "https://cfx-nui-mod")]), "Unauthorized");
    assert_eq!(check(&closed(), "POST /v1/talk", &[host, ("authorization", &bearer)]), "ok");
    assert_eq!(check(&closed(), "POST /v1/talk", &[host, ("authorization", "Bearer ")]), "Unauthorized");
    assert_eq!(check(&closed(), "POST /v1/talk", &[host, ("authorization", TOKEN)]), "Unauthorized");
}

#[test]
fn the_address_carries_the_token_for_websockets_only() {
    let host = ("host", "localhost");
    let origin = ("origin", "https://evil.example");
    let with = |path: &str, token: &str| format!("GET {path}?a=b&token={token}");
    assert_eq!(check(&closed(), &with("/v1/ws", TOKEN), &[host, origin]), "ok");
    assert_eq!(check(&closed(), &with("/v1/ws", "0"), &[host]), "Unauthorized");
    assert_eq!(check(&closed(), &with("/v1/sessions/s/events", TOKEN), &[host]), "Unauthorized");
    assert_eq!(check(&open(), &with("/v1/sessions/s/events", TOKEN), &[host, origin]), "Forbidden");
}

#[test]
fn a_preflight_passes_for_allowed_origins_only() {
    let asked =
        |origin| [("host", "localhost"), ("origin", origin), ("access-control-request-method", "POST")];
    assert_eq!(check(&closed(), "OPTIONS /v1/talk", &asked("https://cfx-nui-mod")), "ok");
    assert_eq!(check(&closed(), "OPTIONS /v1/talk", &asked("https://evil.example")), "Forbidden");
}

#[test]
fn a_face_may_be_open_though_our_own_port_asks_for_the_token() {
    let request = |headers: &[(&str, &str)]| {
        let mut request = Request::builder().method("POST").uri("/v1/chat/completions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    };
    let (game, page) =
        (request(&[("host", "localhost")]), [("host", "localhost"), ("origin", "https://x.example")]);
    assert!(closed().check_face(&game, true).is_err() && closed().check(&game).is_err());
    assert!(closed().check_face(&game, false).is_ok());
    assert!(closed().check_face(&request(&page), false).is_err());
}
