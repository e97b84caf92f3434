//! From the bytes of a page to its links.
//!
//! A page is read token by token, and no tree is built. Links need no tree, and so the cost of a page grows only with
//! its length, however deeply it nests. It is read piece by piece, and only its links are kept, so a page of any length
//! takes little memory. The whole runs in one poll of a task. It may take milliseconds, but that does no harm: the
//! scheduler keeps the other tasks going meanwhile. A page that takes longer says that it blocks its worker.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, WINDOWS_1252};
use heist::task::block_in_place;
use html5ever::LocalName;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use url::Url;

use crate::links::{Said, attribute, refresh, said};

/// How far into a page its `<meta charset>` is looked for, according to the HTML standard.
const META_WITHIN: usize = 1024;

/// How much is tokenized between two looks at the clock.
const PIECE: usize = 16 * 1024;

/// How long a page is parsed before its worker is given to the other tasks.
const SHORT: Duration = Duration::from_millis(10);

/// How many bytes the links of one page may have together, both as they are written and as the URLs that they become.
const MOST_LINK_BYTES: usize = 8 << 20;

/// Why a page with more links is not read on.
const TOO_MANY_LINKS: &str = "too many or too long links";

/// How deeply `svg` and `math` may nest. Browsers let no elements nest deeper.
const MOST_NESTED: usize = 512;

/// How many links that are no URL are named for one page.
const MOST_MALFORMED: usize = 100;

/// How much of a link that is no URL is quoted, in characters.
const QUOTED: usize = 200;

/// The links of a page.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Links {
    /// The number of all links in the page, including repeated ones, wherever they lead.
    pub(crate) count: usize,
    /// How many of them are not to be followed.
    pub(crate) nofollow: usize,
    /// Where the others lead, in order, each as it is written, once, and with the number of times that it occurs.
    pub(crate) urls: Vec<(Url, usize)>,
    /// What is no URL, as it is written, and why it is none.
    pub(crate) malformed: Vec<(String, String)>,
    /// Why the page was not read to its end, if it wasn't.
    pub(crate) cut: Option<&'static str>,
}

/// What reading a page may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) deadline: Instant,
    /// The number of different links.
    pub(crate) links: usize,
}

/// What is known of a page before it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Form<'a> {
    /// The charset that the host names.
    pub(crate) charset: Option<&'a str>,
    /// Whether it is XML, not HTML.
    pub(crate) xml: bool,
    /// Whether the host wants none of its links followed.
    pub(crate) nofollow: bool,
    /// What its `Refresh` field says, which is what `<meta http-equiv=refresh>` says.
    pub(crate) refresh: Option<&'a str>,
}

/// Finds the links of a page. Its start has been received, and the rest comes in pieces.
pub(crate) fn links<E>(
    start: Bytes,
    mut rest: impl FnMut() -> Result<Option<Bytes>, E>,
    form: Form<'_>,
    page: &Url,
    bounds: Bounds,
) -> Result<Links, E> {
    let encoding = encoding(&start, form.charset);
    let mut reader = Reader::new(encoding, form, bounds);
    let mut start = start;
    let mut cut = None;
    // Whether it was done before then.
    let mut read_until = |until: Option<Instant>| -> Result<bool, E> {
        while until.is_none_or(|until| Instant::now() < until) {
            let piece = match start.is_empty() {
                true => rest()?,
                false => Some(start.split_to(PIECE.min(start.len()))),
            };
            cut = match &piece {
                Some(piece) => reader.read(piece, false),
                None => reader.read(&[], true),
            };
            if cut.is_some() || piece.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if !read_until(Some(Instant::now() + SHORT))? {
        // There may be many such pages at once. Another thread takes over the other tasks of this worker.
        block_in_place(|| read_until(None))?;
    }
    reader.tokens.end();
    let mut links = reader
        .tokens
        .sink
        .found
        .into_inner()
        .resolve(page, encoding);
    links.cut = cut.or(links.cut);
    Ok(links)
}

/// Which encoding a page is in. The byte order mark decides, else the header, else the page's own declaration. Without
/// any of them it is UTF-8 if the start is valid UTF-8, else windows-1252, as in browsers. An unknown label counts as
/// none.
fn encoding(start: &[u8], charset: Option<&str>) -> &'static Encoding {
    Encoding::for_bom(start)
        .map(|(encoding, _)| encoding)
        .or_else(|| Encoding::for_label(charset?.as_bytes()))
        .or_else(|| meta_encoding(start))
        .unwrap_or_else(|| match std::str::from_utf8(start) {
            Ok(_) => UTF_8,
            // The start may end in the middle of a character.
            Err(error) if error.error_len().is_none() => UTF_8,
            Err(_) => WINDOWS_1252,
        })
}

/// The charset in `text/html; charset="utf-8"`.
fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("charset");
        named.then(|| value.trim().trim_matches(['"', '\'']))
    })
}

fn meta_encoding(start: &[u8]) -> Option<&'static Encoding> {
    let head = &start[..start.len().min(META_WITHIN)];
    // A label is ASCII, and so is everything that leads to it.
    let head = WINDOWS_1252.decode_without_bom_handling(head).0;
    let tokens = Tokenizer::new(
        Sink::new(usize::MAX, Form::default()),
        TokenizerOpts::default(),
    );
    feed(&tokens, &BufferQueue::default(), &head);
    tokens.end();
    let encoding = Encoding::for_label(tokens.sink.found.into_inner().charset?.as_bytes())?;
    // If the page were in UTF-16, we could not have read it so far. The standard says UTF-8 then.
    Some(encoding.output_encoding())
}

/// Reads a page piece by piece.
struct Reader {
    decoder: Decoder,
    tokens: Tokenizer<Sink>,
    input: BufferQueue,
    text: String,
    deadline: Instant,
}

impl Reader {
    fn new(encoding: &'static Encoding, form: Form<'_>, bounds: Bounds) -> Reader {
        Reader {
            decoder: encoding.new_decoder_with_bom_removal(),
            tokens: Tokenizer::new(Sink::new(bounds.links, form), TokenizerOpts::default()),
            input: BufferQueue::default(),
            text: String::with_capacity(PIECE),
            deadline: bounds.deadline,
        }
    }

    /// Reads a piece. If no more is to be read, says why. Bytes that the charset does not know become U+FFFD.
    fn read(&mut self, mut piece: &[u8], last: bool) -> Option<&'static str> {
        loop {
            let (result, read, _) = self.decoder.decode_to_string(piece, &mut self.text, last);
            piece = &piece[read..];
            feed(&self.tokens, &self.input, &self.text);
            self.text.clear();
            if self.tokens.sink.found.borrow().full {
                return Some(TOO_MANY_LINKS);
            }
            if Instant::now() >= self.deadline {
                return Some("takes too long to parse");
            }
            if result == CoderResult::InputEmpty {
                return None;
            }
        }
    }
}

fn feed(tokens: &Tokenizer<Sink>, input: &BufferQueue, text: &str) {
    input.push_back(StrTendril::from_slice(text));
    // A stop means that a script ended or that a label was found. Neither changes how to go on.
    while !input.is_empty() {
        let _ = tokens.feed(input);
    }
}

/// What a page says, before it is made sense of.
#[derive(Default)]
struct Found {
    /// How many links there are, and how many of them are not to be followed.
    count: usize,
    nofollow: usize,
    /// Whether none is to be followed.
    nofollow_all: bool,
    /// The different links, in order, and how often each occurs.
    hrefs: Vec<(Rc<str>, usize)>,
    /// The places of the links in `hrefs`.
    places: HashMap<Rc<str>, usize>,
    /// How many bytes the different links have.
    bytes: usize,
    /// How many different links there may be, and whether there were more.
    most: usize,
    full: bool,
    base: Option<String>,
    charset: Option<String>,
    /// Whether the page is XML. Then no element's content is text.
    xml: bool,
    /// The open elements that decide whether an element is HTML.
    nested: Vec<Nested>,
    /// How many `template` elements are open. Their content is not in the page.
    templates: usize,
}

/// `svg` or `math`, or an element in them whose content is HTML again, such as `foreignObject`.
struct Nested {
    name: LocalName,
    /// Whether its content is HTML. If it isn't, `title` and `style` are elements like all others in it.
    html: bool,
}

struct Sink {
    found: RefCell<Found>,
}

impl Sink {
    fn new(most: usize, form: Form<'_>) -> Sink {
        let mut found = Found {
            most,
            xml: form.xml,
            nofollow_all: form.nofollow,
            ..Found::default()
        };
        if let Some(next) = form.refresh.and_then(refresh) {
            found.link(next);
        }
        Sink {
            found: RefCell::new(found),
        }
    }
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
        let found = self.found.borrow();
        found.xml || !found.in_html()
    }
}

impl Found {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let opens = tag.kind == TagKind::StartTag;
        let html = self.xml || self.is_html(tag, opens);
        if opens && self.templates == 0 {
            match said(tag, html) {
                Some(Said::Link(href, true)) => self.link(&href),
                Some(Said::Link(_, false)) => {
                    self.count += 1;
                    self.nofollow += 1;
                }
                Some(Said::NoFollow) => self.nofollow_all = true,
                None => {}
            }
        }
        match &*tag.name {
            "base" if opens && html && self.templates == 0 && self.base.is_none() => {
                self.base = attribute(tag, "href");
            }
            "meta" if opens && self.charset.is_none() => self.charset = meta_charset(tag),
            "template" if html && !(self.xml && tag.self_closing) => {
                count(&mut self.templates, opens);
            }
            name if opens && html && !self.xml => return content_of(name),
            _ => {}
        }
        TokenSinkResult::Continue
    }

    /// Whether a tag is of an HTML element, and not of one in `svg` or `math`. Keeps track of these.
    /// <https://html.spec.whatwg.org/multipage/parsing.html#parsing-main-inforeign>
    fn is_html(&mut self, tag: &Tag, opens: bool) -> bool {
        if !opens {
            match self.nested.iter().rposition(|open| open.name == tag.name) {
                Some(place) => self.nested.truncate(place),
                None if matches!(&*tag.name, "p" | "br") => self.leave_foreign(),
                None => {}
            }
            return self.in_html();
        }
        if !self.in_html() && ends_foreign(tag) {
            self.leave_foreign();
        }
        let html = self.in_html();
        let content = match &*tag.name {
            "svg" | "math" => Some(false),
            "foreignobject" | "desc" | "title" | "mi" | "mo" | "mn" | "ms" | "mtext" if !html => {
                Some(true)
            }
            "annotation-xml" if !html => {
                let encoding = attribute(tag, "encoding").unwrap_or_default();
                let encoding = encoding.to_ascii_lowercase();
                Some(matches!(&*encoding, "text/html" | "application/xhtml+xml"))
            }
            _ => None,
        };
        if let Some(html) = content
            && !tag.self_closing
            && self.nested.len() < MOST_NESTED
        {
            let name = tag.name.clone();
            self.nested.push(Nested { name, html });
        }
        html
    }

    fn in_html(&self) -> bool {
        self.nested.last().is_none_or(|open| open.html)
    }

    fn leave_foreign(&mut self) {
        while !self.in_html() {
            self.nested.pop();
        }
    }

    fn link(&mut self, href: &str) {
        self.count += 1;
        if self.full || self.nofollow_all {
            return;
        }
        if let Some(&place) = self.places.get(href) {
            self.hrefs[place].1 += 1;
            return;
        }
        self.bytes += href.len();
        if self.hrefs.len() == self.most || self.bytes > MOST_LINK_BYTES {
            self.full = true;
            return;
        }
        let href: Rc<str> = href.into();
        self.places.insert(href.clone(), self.hrefs.len());
        self.hrefs.push((href, 1));
    }

    /// Says where the links lead. The first `base` counts for all links, including those before it. What follows a
    /// question mark is sent in the page's encoding, as the URL standard says.
    fn resolve(self, page: &Url, encoding: &'static Encoding) -> Links {
        let base = self.base.and_then(|base| page.join(&base).ok());
        let base = base.filter(|base| !matches!(base.scheme(), "data" | "javascript"));
        let base = base.as_ref().unwrap_or(page);
        let encode: &dyn Fn(&str) -> Cow<'_, [u8]> = &|query| encoding.encode(query).0;
        let to_url = Url::options()
            .base_url(Some(base))
            .encoding_override(Some(encode));
        let mut links = Links {
            count: self.count,
            nofollow: self.nofollow,
            ..Links::default()
        };
        if self.nofollow_all {
            links.nofollow = links.count;
            return links;
        }
        let mut room = MOST_LINK_BYTES;
        for (href, times) in self.hrefs {
            match to_url.parse(&href) {
                Ok(url) => {
                    // The base may be long, and it is in each of them.
                    let Some(left) = room.checked_sub(url.as_str().len()) else {
                        links.cut = Some(TOO_MANY_LINKS);
                        break;
                    };
                    room = left;
                    links.urls.push((url, times));
                }
                Err(error) if links.malformed.len() < MOST_MALFORMED => {
                    let href = href.chars().take(QUOTED).collect();
                    links.malformed.push((href, error.to_string()));
                }
                Err(_) => {}
            }
        }
        links
    }
}

fn count(open: &mut usize, opens: bool) {
    *open = if opens {
        *open + 1
    } else {
        open.saturating_sub(1)
    };
}

/// Whether a tag in `svg` or `math` shows that they have ended, although nothing says so.
fn ends_foreign(tag: &Tag) -> bool {
    match &*tag.name {
        "b" | "big" | "blockquote" | "body" | "br" | "center" | "code" | "dd" | "div" | "dl"
        | "dt" | "em" | "embed" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "head" | "hr" | "i"
        | "img" | "li" | "listing" | "menu" | "meta" | "nobr" | "ol" | "p" | "pre" | "ruby"
        | "s" | "small" | "span" | "strong" | "strike" | "sub" | "sup" | "table" | "tt" | "u"
        | "ul" | "var" => true,
        "font" => ["color", "face", "size"]
            .iter()
            .any(|name| attribute(tag, name).is_some()),
        _ => false,
    }
}

/// Elements whose content is text: within them, `<a href>` is not a link.
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
    use super::*;

    fn bounds(within: Duration) -> Bounds {
        Bounds {
            deadline: Instant::now() + within,
            links: 100_000,
        }
    }

    fn read(page: &[u8], charset: Option<&str>, at: &str, bounds: Bounds) -> Links {
        let at = Url::parse(at).unwrap();
        let page = Bytes::copy_from_slice(page);
        let form = Form {
            charset,
            ..Form::default()
        };
        let found = links::<()>(page.clone(), || Ok(None), form, &at, bounds).unwrap();
        if found.cut.is_none() {
            // The same in pieces, whatever their size.
            for piece in [1, 5, 1000] {
                // The start is enough to know the encoding.
                let (start, rest) = page.split_at(page.len().min(META_WITHIN));
                let mut rest = rest.chunks(piece).map(Bytes::copy_from_slice);
                let start = Bytes::copy_from_slice(start);
                let again = links::<()>(start, || Ok(rest.next()), form, &at, bounds).unwrap();
                assert_eq!(again, found);
            }
        }
        found
    }

    fn hrefs(page: &[u8], charset: Option<&str>) -> Vec<String> {
        let bounds = bounds(Duration::from_secs(60));
        let links = read(page, charset, "http://host/dir/page.html", bounds);
        links.urls.into_iter().map(|(url, _)| url.into()).collect()
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
                "http://host/five#part",
            ]
        );
    }

    #[test]
    fn links_are_more_than_anchors() {
        let page = br#"<link rel="x CANONICAL" href=one><link rel=stylesheet href=no><meta http-equiv=Refresh content="0;url=two">
            <map><area href=three><area name=x></map><iframe src=four><a href=no></iframe><iframe></iframe>
            <frameset><frame src=five><frame></frameset><svg><link rel=canonical href=no /></svg>
            <template><area href=no><iframe src=no></iframe></template><img src=no><form action=no>"#;
        let expected = ["one", "two", "three", "four", "five"];
        assert_eq!(
            hrefs(page, None),
            expected.map(|name| format!("http://host/dir/{name}"))
        );
    }

    #[test]
    fn links_that_are_not_to_be_followed_are_only_counted() {
        let within = || bounds(Duration::from_secs(60));
        let page = b"<a rel='x NoFollow' href=a><a href=b><area rel=nofollow href=b><a rel=nofollow href=http://[>";
        let found = read(page, None, "http://host/", within());
        assert_eq!((found.count, found.nofollow, found.urls.len()), (4, 3, 1));
        assert!(found.malformed.is_empty());
        for (meta, followed) in [
            ("name=robots content='noindex, NOFOLLOW'", 0),
            ("name=Robots content=none", 0),
            ("name=heist-crawler content=nofollow", 0),
            ("name=other-crawler content=nofollow", 2),
            ("name=robots content='noindex,follow'", 2),
            ("name=robots", 2),
        ] {
            let page = format!("<a href=a><meta {meta}><a href=b>");
            let found = read(page.as_bytes(), None, "http://host/", within());
            assert_eq!(
                (found.count, found.nofollow, found.urls.len()),
                (2, 2 - followed, followed)
            );
        }
    }

    #[test]
    fn html_svg_and_xml_each_have_their_own_elements() {
        for (page, expected) in [
            // Nothing closes the `svg`, but what follows can't be in it.
            ("<svg><g><p><script>'<a href=no>'</script><a href=x>", "x"),
            ("<svg><path></p><style><a href=no></style><a href=x>", "x"),
            (
                "<svg><g><font size=1><style><a href=no></style><a href=x>",
                "x",
            ),
            ("<svg><g><font><style><a href=x></style>", "x"),
            (
                "<svg><foreignObject><script><a href=no></script></foreignObject><style><a href=x>",
                "x",
            ),
            (
                "<math><annotation-xml encoding='text/HTML'><style><a href=no></style><a href=x>",
                "x",
            ),
            ("<math><annotation-xml><style><a href=x>", "x"),
            ("<svg><template><a href=x></template></svg>", "x"),
            ("<svg><base href=//no/></svg><a href=x>", "x"),
            ("<template><base href=//no/></template><a href=x>", "x"),
            ("<svg/><style><a href=no></style><a href=x>", "x"),
            ("<base href=data:,no><a href=x>", "x"),
            ("<base href='javascript:no()'><a href=x>", "x"),
        ] {
            let expected = format!("http://host/dir/{expected}");
            assert_eq!(hrefs(page.as_bytes(), None), [expected], "{page}");
        }
        let xml = b"<html><script src='s'/><title/><template/><![CDATA[<a href='no'>]]><a href='x'/></html>";
        let at = Url::parse("http://host/dir/").unwrap();
        let form = Form {
            xml: true,
            ..Form::default()
        };
        let bounds = bounds(Duration::from_secs(60));
        let found = links::<()>(Bytes::from_static(xml), || Ok(None), form, &at, bounds).unwrap();
        assert_eq!(found.urls.len(), 1);
        assert_eq!(found.urls[0].0.as_str(), "http://host/dir/x");
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
        let page = b"<a href='http://[x'><a href=y>";
        let links = read(page, None, "http://host/", bounds(Duration::from_secs(60)));
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
            (b"<a href=\xe9>", Some("ISO-8859-1")),
            (b"<a href=\xe9>", Some("latin1")),
            (b"<meta charset=utf-8><a href=\xc3\xa9>", Some("no-such")),
            (b"<meta charset=koi8-r><a href=\xc3\xa9>", Some("utf-8")),
            (
                b"<meta http-equiv=Content-Type content='text/html; charset=macintosh'><a href=\x8e>",
                None,
            ),
            (b"\xff\xfe<\0a\0 \0h\0r\0e\0f\0=\0\xe9\0>\0", Some("utf-8")),
        ];
        for (page, charset) in cases {
            assert_eq!(hrefs(page, charset), is_e_acute, "{charset:?}");
        }
    }

    #[test]
    fn a_query_goes_out_in_the_encoding_of_its_page() {
        for (page, charset, url) in [
            (
                &b"<a href='\xe9?\xe9'>"[..],
                "latin1",
                "http://host/dir/%C3%A9?%E9",
            ),
            (
                b"<a href='?\x83\x65'>",
                "shift_jis",
                "http://host/dir/page.html?%83e",
            ),
            (
                b"<a href='\xc3\xa9?\xc3\xa9'>",
                "utf-8",
                "http://host/dir/%C3%A9?%C3%A9",
            ),
        ] {
            assert_eq!(hrefs(page, Some(charset)), [url]);
        }
    }

    #[test]
    fn rubbish_is_read_to_its_end_or_given_up() {
        let nested = "<div><p>".repeat(50_000);
        let found = read(
            nested.as_bytes(),
            None,
            "http://host/",
            bounds(Duration::from_secs(60)),
        );
        assert_eq!(found, Links::default());

        // The tokenizer's time for one tag grows with the square of the number of its attributes.
        let attributes: String = (0..2_000_000).map(|i| format!(" a{i}")).collect();
        let page = format!("<a href=x><a{attributes}>");
        let soon = bounds(Duration::from_millis(50));
        let found = read(page.as_bytes(), None, "http://host/", soon);
        assert_eq!(found.cut, Some("takes too long to parse"));
        assert_eq!(found.urls.len(), 1);
        assert!(soon.deadline.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn no_page_has_more_links_than_it_may() {
        let many: String = (0..1000)
            .map(|i| format!("<a href={i}><a href={i}>"))
            .collect();
        for (links, expected, cut) in [
            (1000, 1000, None),
            (999, 999, Some("too many or too long links")),
        ] {
            let bounds = Bounds {
                links,
                ..bounds(Duration::from_secs(60))
            };
            let found = read(many.as_bytes(), None, "http://host/", bounds);
            assert_eq!((found.urls.len(), found.cut), (expected, cut));
        }
        let long = format!("<a href={}>", "x".repeat(MOST_LINK_BYTES / 2));
        let page = format!("{long}<a href=y>{}<a href=z>", long.replace("=x", "=a"));
        let found = read(
            page.as_bytes(),
            None,
            "http://host/",
            bounds(Duration::from_secs(60)),
        );
        assert_eq!(
            (found.urls.len(), found.cut),
            (2, Some("too many or too long links"))
        );
        // Links are short as they are written, and long as URLs.
        let links: String = (0..1000).map(|i| format!("<a href={i}>")).collect();
        let folder = "x".repeat(100_000);
        for (page, at) in [
            (format!("{links}<base href=/{folder}/>"), "http://host/"),
            (links.clone(), &*format!("http://host/{folder}/")),
        ] {
            let found = read(page.as_bytes(), None, at, bounds(Duration::from_secs(60)));
            assert_eq!((found.count, found.cut), (1000, Some(TOO_MANY_LINKS)));
            let bytes: usize = found.urls.iter().map(|(url, _)| url.as_str().len()).sum();
            assert!((MOST_LINK_BYTES / 2..=MOST_LINK_BYTES).contains(&bytes));
        }
        let rubbish: String = (0..1000).map(|i| format!("<a href=http://[{i}>")).collect();
        let found = read(
            rubbish.as_bytes(),
            None,
            "http://host/",
            bounds(Duration::from_secs(60)),
        );
        assert_eq!((found.count, found.malformed.len()), (1000, MOST_MALFORMED));
    }
}
