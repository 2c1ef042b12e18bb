//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1) and the parameters of permessage-deflate (RFC 7692 §7.1),
//! read once more.

/// One element after the other, as `(name, [(name, value)])`; `None` if the
/// text does not follow it.
pub(crate) fn elements(text: &str) -> Option<Vec<Element>> {
    split(text, ',')?
        .into_iter()
        .filter(|element| !element.trim().is_empty())
        .map(|element| {
            let mut parts = split(&element, ';')?.into_iter();
            let name = token(&parts.next()?)?;
            let params = parts.map(|param| {
                let Some((name, value)) = param.split_once('=') else { return Some((token(&param)?, None)) };
                let value = value.trim();
                let value = match value.strip_prefix('"') {
                    // What is quoted has to be a token when the backslashes are off.
                    Some(quoted) => {
                        let mut inside = quoted.chars();
                        let mut plain = String::new();
                        loop {
                            match inside.next()? {
                                '\\' => plain.push(inside.next()?),
                                '"' => break,
                                other => plain.push(other),
                            }
                        }
                        (inside.as_str().is_empty() && plain.trim() == plain).then_some(plain)?
                    }
                    None => value.to_owned(),
                };
                Some((token(name)?, Some(token(&value)?)))
            });
            Some((name, params.collect::<Option<_>>()?))
        })
        .collect()
}

pub(crate) type Element = (String, Vec<(String, Option<String>)>);

/// The pieces between separators that are not quoted; `None` if a quote is not closed.
fn split(text: &str, separator: char) -> Option<Vec<String>> {
    let (mut pieces, mut is_quoted, mut chars) = (vec![String::new()], false, text.chars());
    while let Some(char) = chars.next() {
        let piece = pieces.last_mut().unwrap();
        if char == separator && !is_quoted {
            pieces.push(String::new());
            continue;
        }
        piece.push(char);
        match char {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => piece.push(chars.next()?),
            _ => {}
        }
    }
    (!is_quoted).then_some(pieces)
}

pub(crate) fn token(text: &str) -> Option<String> {
    let text = text.trim_matches([' ', '\t']);
    let is_token = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c);
    (!text.is_empty() && text.chars().all(is_token)).then(|| text.to_owned())
}

/// An offer's or an answer's parameters, if they are valid: each once, bits of 8 to 15 or none.
pub(crate) fn valid(element: &Element) -> Option<Vec<(String, Option<u8>)>> {
    let (name, params) = element;
    let mut said: Vec<(String, Option<u8>)> = Vec::new();
    for (name, value) in params {
        let value = match (name.as_str(), value) {
            (
                "server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits",
                None,
            ) => None,
            ("server_max_window_bits" | "client_max_window_bits", Some(value)) => {
                let known = ["8", "9", "10", "11", "12", "13", "14", "15"];
                Some(value.parse().ok().filter(|_| known.contains(&value.as_str()))?)
            }
            _ => return None,
        };
        if said.iter().any(|(other, _)| other == name) {
            return None;
        }
        said.push((name.clone(), value));
    }
    (name == "permessage-deflate").then_some(said)
}

/// These parameters as they stand in an answer of a server that has no wishes of its own.
pub(crate) fn answered(offer: &[(String, Option<u8>)]) -> String {
    let names = [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
    ];
    let mut answer = "permessage-deflate".to_owned();
    for name in names {
        match offer.iter().find(|(offered, _)| offered == name) {
            Some((_, Some(bits))) => answer += &format!("; {name}={bits}"),
            Some(_) if name != "client_max_window_bits" => answer += &format!("; {name}"),
            _ => {}
        }
    }
    answer
}
