//! Which elements of a page are links, and which links a page asks robots not to follow.

use html5ever::tokenizer::Tag;

use crate::robots;

/// What a tag says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A link as it is written, and whether robots are to follow it.
    Link(String, bool),
    /// No link of the page is to be followed.
    NoFollow,
}

/// What a start tag says about links, if it says something. `html` tells whether its element is HTML, and not SVG or
/// MathML: there only `a` is a link.
pub(crate) fn said(tag: &Tag, html: bool) -> Option<Said> {
    let follow = || !has_token(tag, "rel", "nofollow");
    let link = |name| Some(Said::Link(attribute(tag, name)?, follow()));
    match &*tag.name {
        "a" => link("href"),
        _ if !html => None,
        "area" => link("href"),
        "frame" | "iframe" => link("src"),
        "link" if has_token(tag, "rel", "canonical") => link("href"),
        "meta" => said_by_meta(tag),
        _ => None,
    }
}

fn said_by_meta(tag: &Tag) -> Option<Said> {
    let content = attribute(tag, "content")?;
    if let Some(kind) = attribute(tag, "http-equiv")
        && kind.eq_ignore_ascii_case("refresh")
    {
        return Some(Said::Link(refresh(&content)?.to_owned(), true));
    }
    let name = attribute(tag, "name")?;
    let for_us = ["robots", robots::NAME]
        .iter()
        .any(|ours| name.trim().eq_ignore_ascii_case(ours));
    (for_us && robots::is_nofollow(&content)).then_some(Said::NoFollow)
}

/// The address in `5; url=/next`. `None` if the page only loads itself again.
/// <https://html.spec.whatwg.org/multipage/semantics.html#shared-declarative-refresh-steps>
pub(crate) fn refresh(content: &str) -> Option<&str> {
    let content = content.trim_ascii_start();
    if !content.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let rest = content.trim_start_matches(|next: char| next.is_ascii_digit() || next == '.');
    if !rest.starts_with(|next: char| next.is_ascii_whitespace() || ";,".contains(next)) {
        return None;
    }
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix([';', ',']).unwrap_or(rest);
    let rest = rest.trim_ascii_start();
    let url = after_url(rest).unwrap_or(rest);
    let url = match url.strip_prefix(['"', '\'']) {
        Some(quoted) => quoted.split(&url[..1]).next().unwrap_or(quoted),
        None => url,
    };
    (!url.is_empty()).then_some(url)
}

/// What comes after `url =`.
fn after_url(text: &str) -> Option<&str> {
    let (name, rest) = text.split_at_checked(3)?;
    let rest = rest.trim_ascii_start().strip_prefix('=')?;
    name.eq_ignore_ascii_case("url")
        .then(|| rest.trim_ascii_start())
}

pub(crate) fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let found = tag.attrs.iter().find(|attr| &*attr.name.local == name)?;
    Some(found.value.to_string())
}

fn has_token(tag: &Tag, name: &str, token: &str) -> bool {
    let value = tag.attrs.iter().find(|attr| &*attr.name.local == name);
    value.is_some_and(|attr| {
        let mut tokens = attr.value.split_ascii_whitespace();
        tokens.any(|one| one.eq_ignore_ascii_case(token))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_read_as_browsers_read_it() {
        for (content, url) in [
            ("0; url=/next", Some("/next")),
            ("5;URL='/next'", Some("/next")),
            (" 5.5 , Url = \"/next\" junk", Some("/next")),
            ("0 /next", Some("/next")),
            ("0;/next", Some("/next")),
            ("0; 'a b' c", Some("a b")),
            ("0; url=a'b", Some("a'b")),
            ("0; url='never ends", Some("never ends")),
            ("0; urlx", Some("urlx")),
            ("0; url", Some("url")),
            (".;x", Some("x")),
            ("0; \u{e9}x", Some("\u{e9}x")),
            ("0", None),
            ("0;", None),
            ("0; url=", None),
            ("0; url=''", None),
            ("0url=/no", None),
            ("; url=/no", None),
            ("-1; url=/no", None),
            ("soon; url=/no", None),
            ("", None),
        ] {
            assert_eq!(refresh(content), url, "{content}");
        }
    }
}
