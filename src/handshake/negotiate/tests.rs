use super::*;

/// The request of RFC 6455 §1.3, as an HTTP server would hand it over.
pub(in crate::handshake) fn request() -> Request<()> {
    Request::builder()
        .uri("/chat")
        .header("Host", "server.example.com")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
        .body(())
        .unwrap()
}

#[test]
fn a_request_of_any_stack_is_judged() {
    let offer = Offer::from_request(&request()).unwrap();
    assert_eq!(
        (offer.key(), offer.host(), offer.origin()),
        ("dGhlIHNhbXBsZSBub25jZQ==", "server.example.com", None)
    );
    let (response, agreement) = offer.accept(Answer::new()).unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(response.headers().len(), 3);
    assert_eq!(agreement, Agreement::new());
}

#[test]
fn hs_02_the_method_is_get() {
    let mut request = request();
    *request.method_mut() = Method::POST;
    let rejection = Offer::from_request(&request).unwrap_err();
    assert_eq!(rejection.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(rejection.headers()["allow"], "GET");
}

#[test]
fn hs_03_the_version_is_http_1_1() {
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let mut request = request();
        *request.version_mut() = version;
        assert_eq!(Offer::from_request(&request).unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn hs_17_extensions_are_offered_in_order() {
    let mut request = request();
    for value in ["a; b, ", "c; d=\"e\\f\""] {
        request.headers_mut().append("sec-websocket-extensions", value.parse().unwrap());
    }
    let offer = Offer::from_request(&request).unwrap();
    let expected = [
        Extension { name: "a", params: vec![("b", None)] },
        Extension { name: "c", params: vec![("d", Some("ef".into()))] },
    ];
    assert!(offer.extensions().eq(expected));
}

#[test]
fn hs_39_an_answer_cannot_be_split() {
    for value in ["a\r\nb: c", "a\n", "a\r", "a\0"] {
        let error = Answer::new().header("x", value).unwrap_err();
        assert!(matches!(error, HandshakeError::Field(FieldError::Value)));
    }
    for name in ["", "a b", "a,b", "a:", "a\r\nb", "a\0"] {
        let error = Answer::new().header(name, "b").unwrap_err();
        assert!(matches!(error, HandshakeError::Field(FieldError::Name)));
    }
}

#[test]
fn hs_40_an_answer_has_no_field_of_the_handshake() {
    for name in [
        "Upgrade",
        "connection",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "sec-websocket-foo",
    ] {
        let error = Answer::new().header(name, "a").unwrap_err();
        assert!(matches!(error, HandshakeError::Field(FieldError::Reserved(_))), "{name}");
    }
}

#[cfg(feature = "deflate")]
#[test]
fn the_first_offer_of_compression_that_can_be_met_is_answered() {
    let agreed = |offered: &str, own: Option<Deflate>| {
        let mut request = request();
        request.headers_mut().insert("sec-websocket-extensions", offered.parse().unwrap());
        let offer = Offer::from_request(&request).unwrap();
        let (response, agreement) = offer.accept(Answer::new().protocol(None).deflate(own)).unwrap();
        let line = response.headers().get("sec-websocket-extensions").map(|line| line.to_str().unwrap());
        assert_eq!(line.unwrap_or_default(), agreement.extensions());
        assert_eq!(line.is_some(), agreement.deflate().is_some());
        agreement.extensions().to_owned()
    };
    let own = || Some(Deflate::new());
    assert_eq!(agreed("permessage-deflate", own()), "permessage-deflate");
    assert_eq!(agreed("permessage-deflate", None), "");
    assert_eq!(agreed("x-deflate, deflate-frame", own()), "");
    assert_eq!(
        agreed("x, permessage-deflate; y, permessage-deflate; server_no_context_takeover", own()),
        "permessage-deflate; server_no_context_takeover"
    );
}
