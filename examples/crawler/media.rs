//! What a body is. Its media type is found as the Fetch standard says, or as MIME Sniffing says if the host gives none.

use data_url::mime::Mime;
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;

/// How much of a body shows what it is, according to MIME Sniffing.
pub(crate) const SNIFFED: usize = 1445;

/// How much is kept of the name of a type, in characters. No registered type is longer (RFC 6838).
const LONGEST: usize = 127 + 1 + 127;

/// Extracts the media type from all `Content-Type` fields together.
///
/// The last valid type counts. If it names no charset, it takes the charset of an earlier field with the same type.
/// <https://fetch.spec.whatwg.org/#concept-header-extract-mime-type>
fn extract(headers: &HeaderMap) -> Option<Mime> {
    let mut found: Option<Mime> = None;
    for field in headers.get_all(CONTENT_TYPE) {
        // Each byte becomes one character, as Fetch decodes field values.
        let field: String = field
            .as_bytes()
            .iter()
            .map(|&byte| char::from(byte))
            .collect();
        for value in split(&field) {
            let Ok(mut mime) = value.parse::<Mime>() else {
                continue;
            };
            if mime.matches("*", "*") {
                continue;
            }
            if let Some(before) = &found
                && before.matches(&mime.type_, &mime.subtype)
                && charset(&mime).is_none()
                && let Some(charset) = charset(before)
            {
                let charset = charset.to_owned();
                mime.parameters.push(("charset".into(), charset));
            }
            found = Some(mime);
        }
    }
    found
}

/// The media type that the host says, unless it says that it does not know.
pub(crate) fn supplied(headers: &HeaderMap) -> Option<Mime> {
    let unknown =
        |mime: &Mime| mime.matches("unknown", "unknown") || mime.matches("application", "unknown");
    extract(headers).filter(|mime| !unknown(mime))
}

pub(crate) fn charset(mime: &Mime) -> Option<&str> {
    mime.get_parameter("charset")
}

/// Splits a field at its commas, except for those within quotes.
/// <https://fetch.spec.whatwg.org/#header-value-get-decode-and-split>
fn split(field: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    field.split(move |character| {
        let separates = character == ',' && !quoted;
        match character {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && character == '\\' && !escaped;
        separates
    })
}

/// The media type of a body, and whether it may hold links. If the host does not give it, the start of the body shows
/// it.
pub(crate) fn classify(supplied: Option<&Mime>, start: &[u8]) -> (Option<String>, bool) {
    match supplied {
        Some(mime) => {
            let html = mime.matches("text", "html") || mime.matches("application", "xhtml+xml");
            let media = format!("{}/{}", mime.type_, mime.subtype);
            (Some(media.chars().take(LONGEST).collect()), html)
        }
        None if infer::text::is_html(start) => (Some("text/html".into()), true),
        None if infer::text::is_xml(start) => (Some("text/xml".into()), true),
        None => (None, false),
    }
}

/// Whether a type that may hold links is XML.
pub(crate) fn is_xml(media: Option<&str>) -> bool {
    media.is_some_and(|media| media.ends_with("xml"))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn extracted(fields: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            let field = HeaderValue::from_bytes(field.as_bytes()).unwrap();
            headers.append(CONTENT_TYPE, field);
        }
        extract(&headers).map(|mime| mime.to_string())
    }

    /// The examples of the Fetch standard, and some more.
    #[test]
    fn the_last_type_that_is_one_counts() {
        let cases: &[(&[&str], Option<&str>)] = &[
            (&["text/plain;charset=gbk, text/html"], Some("text/html")),
            (
                &["text/html;charset=gbk;a=b, text/html;x=y"],
                Some("text/html;x=y;charset=gbk"),
            ),
            (
                &["text/html;charset=gbk;a=b", "text/html;x=y"],
                Some("text/html;x=y;charset=gbk"),
            ),
            (
                &["text/html;charset=gbk", "x/x", "text/html;x=y"],
                Some("text/html;x=y"),
            ),
            (&["text/html", "cannot-parse"], Some("text/html")),
            (&["text/html", "*/*"], Some("text/html")),
            (&["text/html", ""], Some("text/html")),
            (&["text/html;a=\",x/y\""], Some("text/html;a=\",x/y\"")),
            (
                &["TEXT/HTML ; Charset=\"utf-8\""],
                Some("text/html;charset=utf-8"),
            ),
            (&[""], None),
            (&["*/*"], None),
            (&["html"], None),
            (&[], None),
        ];
        for (fields, expected) in cases {
            assert_eq!(extracted(fields).as_deref(), *expected, "{fields:?}");
        }
    }

    #[test]
    fn a_type_is_no_longer_than_types_are() {
        let long: Mime = format!("x/{}", "y".repeat(100_000)).parse().unwrap();
        let (media, _) = classify(Some(&long), b"");
        assert_eq!(media.unwrap().len(), LONGEST);
    }

    #[test]
    fn a_body_without_a_type_is_what_it_looks_like() {
        for start in [
            "<!DOCTYPE html>",
            " \n<html >",
            "<!-- -->",
            "<a href=x>",
            "<?xml version='1.0'?>",
        ] {
            assert!(classify(None, start.as_bytes()).1, "{start}");
            let plain: Mime = "text/plain".parse().unwrap();
            assert_eq!(
                classify(Some(&plain), start.as_bytes()),
                (Some("text/plain".into()), false)
            );
        }
        for start in ["", "text", "<abbr>", "\u{89}PNG<a href=x>"] {
            assert_eq!(classify(None, start.as_bytes()), (None, false), "{start}");
        }
    }
}
