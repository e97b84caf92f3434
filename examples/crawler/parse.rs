//! From the bytes of a page to its links.
//!
//! A page is read token by token and no tree is built: links need none, and what a page costs then grows with its
//! length alone, however it nests. The whole runs in one poll of a task. That it may take milliseconds is no
//! harm: it is the scheduler's part to keep the other tasks going meanwhile.

use std::cell::RefCell;
use std::time::Instant;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use url::Url;

use crate::address;

/// How far into a page its `<meta charset>` is looked for, as the HTML standard has it.
const META_WITHIN: usize = 1024;

/// How much is tokenized between two looks at the clock.
const PIECE: usize = 16 * 1024;

/// The links of a page.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Links {
    /// All that stand in the page, however often and wherever they lead.
    pub(crate) count: usize,
    /// Where they lead, in order and canonical.
    pub(crate) urls: Vec<Url>,
    /// What is no URL, as it is written, and why it is none.
    pub(crate) malformed: Vec<(String, String)>,
}

/// The page took longer to read than it may.
#[derive(Debug, PartialEq)]
pub(crate) struct TooSlow;

/// Finds the links (`a[href]`) of a page.
pub(crate) fn links(
    body: &[u8],
    content_type: Option<&str>,
    page: &Url,
    deadline: Instant,
) -> Result<Links, TooSlow> {
    let text = decode(body, content_type);
    let found = scan(&text, deadline)?;
    let base = found.base.and_then(|base| page.join(&base).ok());
    let base = base.as_ref().unwrap_or(page);

    let mut links = Links {
        count: found.hrefs.len(),
        ..Links::default()
    };
    for href in found.hrefs {
        match base.join(&href) {
            Ok(url) => links.urls.push(address::canonical(url)),
            Err(error) => links.malformed.push((href, error.to_string())),
        }
    }
    Ok(links)
}

/// Whether a body of this type is worth parsing. Without a type, it is taken for HTML where it looks like it.
pub(crate) fn is_html(content_type: Option<&str>, body: &[u8]) -> bool {
    match content_type {
        Some(text) => {
            let essence = text.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("text/html")
                || essence.eq_ignore_ascii_case("application/xhtml+xml")
        }
        None => body.trim_ascii_start().first() == Some(&b'<'),
    }
}

/// Turns the bytes into text: by the byte order mark, else by the header, else by the page's own word, else
/// UTF-8 where the bytes are that, else windows-1252 as browsers do. An unknown label counts as none; bytes
/// that the charset does not know become U+FFFD.
fn decode(body: &[u8], content_type: Option<&str>) -> String {
    let encoding = Encoding::for_bom(body)
        .map(|(encoding, _)| encoding)
        .or_else(|| Encoding::for_label(charset(content_type?)?.as_bytes()))
        .or_else(|| meta_encoding(body))
        .unwrap_or_else(|| match std::str::from_utf8(body) {
            Ok(_) => UTF_8,
            Err(_) => WINDOWS_1252,
        });
    encoding.decode(body).0.into_owned()
}

/// The charset in `text/html; charset="utf-8"`.
fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("charset");
        named.then(|| value.trim().trim_matches(['"', '\'']))
    })
}

fn meta_encoding(body: &[u8]) -> Option<&'static Encoding> {
    let head = &body[..body.len().min(META_WITHIN)];
    // A label is ASCII, and so is all that must be understood to find it.
    let head = WINDOWS_1252.decode_without_bom_handling(head).0;
    let found = feed(&head, None).ok()?;
    let encoding = Encoding::for_label(found.charset?.as_bytes())?;
    // The page could not have been read so far in UTF-16; the standard says UTF-8 then.
    Some(encoding.output_encoding())
}

/// What a page says, before it is made sense of.
#[derive(Default)]
struct Found {
    hrefs: Vec<String>,
    base: Option<String>,
    charset: Option<String>,
    /// How many `svg` and `math` are open: in them `title` and `style` are elements like all others.
    foreign: usize,
    /// How many `template` are open: what they hold is not in the page.
    templates: usize,
}

fn scan(text: &str, deadline: Instant) -> Result<Found, TooSlow> {
    feed(text, Some(deadline))
}

fn feed(text: &str, deadline: Option<Instant>) -> Result<Found, TooSlow> {
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = after;
        input.push_back(StrTendril::from_slice(piece));
        // A stop is a script's end or a label met; neither changes how to go on.
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(TooSlow);
        }
    }
    tokenizer.end();
    Ok(tokenizer.sink.found.into_inner())
}

#[derive(Default)]
struct Sink {
    found: RefCell<Found>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => self.found.borrow_mut().tag(&tag),
            _ => TokenSinkResult::Continue,
        }
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.found.borrow().foreign > 0
    }
}

impl Found {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let opens = tag.kind == TagKind::StartTag;
        match &*tag.name {
            "a" if opens && self.templates == 0 => {
                self.hrefs.extend(attribute(tag, "href"));
            }
            "base" if opens && self.base.is_none() => self.base = attribute(tag, "href"),
            "meta" if opens && self.charset.is_none() => self.charset = meta_charset(tag),
            "svg" | "math" if !tag.self_closing => count(&mut self.foreign, opens),
            "template" => count(&mut self.templates, opens),
            name if opens && self.foreign == 0 => return content_of(name),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn count(open: &mut usize, opens: bool) {
    *open = if opens {
        *open + 1
    } else {
        open.saturating_sub(1)
    };
}

/// Elements whose content is text: there, `<a href>` is no link.
fn content_of(name: &str) -> TokenSinkResult<()> {
    match name {
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
            TokenSinkResult::RawData(RawKind::Rawtext)
        }
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let found = tag.attrs.iter().find(|attr| &*attr.name.local == name)?;
    Some(found.value.to_string())
}

/// The label in `<meta charset="utf-8">` or `<meta http-equiv="content-type" content="text/html; charset=utf-8">`.
fn meta_charset(tag: &Tag) -> Option<String> {
    if let Some(label) = attribute(tag, "charset") {
        return Some(label);
    }
    let kind = attribute(tag, "http-equiv")?;
    let content = attribute(tag, "content")?;
    let says = kind.eq_ignore_ascii_case("content-type");
    says.then(|| charset(&content).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hrefs(page: &[u8], content_type: Option<&str>) -> Vec<String> {
        let at = Url::parse("http://host/dir/page.html").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let links = links(page, content_type, &at, deadline).unwrap();
        links.urls.into_iter().map(String::from).collect()
    }

    #[test]
    fn links_are_found_where_html_has_them() {
        let page = br#"<!doctype html><title><a href=title></title><A HREF='one'>x</A>
            <!-- <a href=comment> --><script>"<a href=script>"</script><style><a href=style></style>
            <textarea><a href=area></textarea><noscript><a href="two&amp;3">y</a></noscript>
            <template><a href=inert></a></template><a name=none><a href><a href=" three ">z
            <svg><title><a href=four></a></title></svg><a
            href
            = ../five#part"#;
        let found = hrefs(&[page, &b"></a>"[..]].concat(), None);
        assert_eq!(
            found,
            [
                "http://host/dir/one",
                "http://host/dir/two&3",
                "http://host/dir/page.html",
                "http://host/dir/three",
                "http://host/dir/four",
                "http://host/five",
            ]
        );
    }

    #[test]
    fn the_base_counts_for_all_links() {
        let page = b"<a href=a><base href='/other/'><base href=/third/><a href=b>";
        assert_eq!(
            hrefs(page, None),
            ["http://host/other/a", "http://host/other/b"]
        );
    }

    #[test]
    fn what_is_no_url_is_told() {
        let at = Url::parse("http://host/").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let links = links(b"<a href='http://[x'><a href=y>", None, &at, deadline).unwrap();
        assert_eq!(links.count, 2);
        assert_eq!(links.urls.len(), 1);
        assert_eq!(links.malformed[0].0, "http://[x");
    }

    #[test]
    fn each_way_to_say_the_charset_is_heard() {
        let is_e_acute = ["http://host/dir/%C3%A9"];
        let cases: [(&[u8], Option<&str>); 8] = [
            (b"<a href=\xc3\xa9>", None),
            (b"<a href=\xe9>", None),
            (b"<a href=\xe9>", Some("text/html; charset=ISO-8859-1")),
            (b"<a href=\xe9>", Some("text/html; Charset='latin1'")),
            (b"<meta charset=utf-8><a href=\xc3\xa9>", Some("text/html; charset=no-such")),
            (b"<meta charset=koi8-r><a href=\xc3\xa9>", Some("text/html;charset=utf-8")),
            (
                b"<meta http-equiv=Content-Type content='text/html; charset=macintosh'><a href=\x8e>",
                None,
            ),
            (b"\xff\xfe<\0a\0 \0h\0r\0e\0f\0=\0\xe9\0>\0", Some("text/html; charset=utf-8")),
        ];
        for (page, content_type) in cases {
            assert_eq!(hrefs(page, content_type), is_e_acute, "{content_type:?}");
        }
    }

    #[test]
    fn rubbish_is_read_to_its_end_or_given_up() {
        let at = Url::parse("http://host/").unwrap();
        let nested = "<div><p>".repeat(200_000);
        let soon = Instant::now() + Duration::from_secs(60);
        assert_eq!(
            links(nested.as_bytes(), None, &at, soon),
            Ok(Links::default())
        );

        // So many attributes on one tag cost the tokenizer their number squared.
        let attributes: String = (0..2_000_000).map(|i| format!(" a{i}")).collect();
        let page = format!("<a{attributes}>");
        let soon = Instant::now() + Duration::from_millis(50);
        assert_eq!(links(page.as_bytes(), None, &at, soon), Err(TooSlow));
        assert!(soon.elapsed() < Duration::from_secs(10));
    }
}
