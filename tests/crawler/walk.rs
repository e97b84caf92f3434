//! The measure of the crawler: a plain breadth-first walk over the files of a site.
//!
//! It shares nothing with the crawler: no crate, no code, no network. It knows URLs and HTML as far as the tests'
//! pages go. Its names of pages are decoded paths, with their query.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

/// What the walk finds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Walk {
    /// Pages, and how many links each holds.
    pub(crate) pages: BTreeMap<String, usize>,
    /// The page and the link.
    pub(crate) broken: BTreeSet<(String, String)>,
}

/// Walks the site in `root`, which stands at `authority`, from `start` on and staying under it.
pub(crate) fn walk(root: &Path, authority: &str, start: &str) -> Walk {
    let mut walk = Walk::default();
    let mut queue = VecDeque::from([start.to_owned()]);
    let mut seen = BTreeSet::from([start.to_owned()]);
    while let Some(page) = queue.pop_front() {
        let (file, _) = find(root, &page).expect("only pages that exist are queued");
        let is_page = file.ends_with(".html");
        let content = fs::read(root.join(&file[1..])).unwrap();
        let hrefs = if is_page {
            hrefs(&text(&content))
        } else {
            Vec::new()
        };
        walk.pages.insert(page.clone(), hrefs.len());
        for href in hrefs {
            let Some(target) = resolve(authority, &page, &href) else {
                continue;
            };
            if !target.starts_with(start) {
                continue;
            }
            match find(root, &target) {
                None => {
                    walk.broken.insert((page.clone(), target));
                }
                Some((_, name)) => {
                    if name.starts_with(start) && seen.insert(name.clone()) {
                        queue.push_back(name);
                    }
                }
            }
        }
    }
    walk
}

/// The file that stands at a place, and the place's final name.
fn find(root: &Path, place: &str) -> Option<(String, String)> {
    let (path, query) = match place.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (place, String::new()),
    };
    let mut path = path.to_owned();
    let mut query = query;
    while path.contains("//") {
        // Here the server redirects, and forgets the query.
        path = path.replace("//", "/");
        query = String::new();
    }
    let on_disk = root.join(&path[1..]);
    let found = fs::metadata(on_disk).ok()?;
    if found.is_file() {
        return (!path.ends_with('/')).then(|| (path.clone(), path + &query));
    }
    if !path.ends_with('/') {
        path.push('/');
        query = String::new();
    }
    let index = format!("{path}index.html");
    let found = fs::metadata(root.join(&index[1..])).ok()?;
    found.is_file().then_some((index, path + &query))
}

/// Where a link leads, if to a place of this site.
fn resolve(authority: &str, page: &str, href: &str) -> Option<String> {
    let href = href.trim_matches([' ', '\n', '\r', '\t']);
    let href = href.split('#').next().unwrap();
    let scheme = href.find(':').filter(|&at| {
        href[..at]
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            && at > 0
    });
    let rest = match scheme {
        Some(at) if href[..at].eq_ignore_ascii_case("http") => &href[at + 1..],
        Some(_) => return None,
        None => href,
    };
    let (base, _) = page.split_once('?').unwrap_or((page, ""));
    let path = if let Some(absolute) = rest.strip_prefix("//") {
        let end = absolute.find(['/', '?']).unwrap_or(absolute.len());
        if absolute[..end] != *authority {
            return None;
        }
        absolute[end..].to_owned()
    } else if rest.starts_with('/') {
        rest.to_owned()
    } else if rest.is_empty() {
        page.to_owned()
    } else if rest.starts_with('?') {
        format!("{base}{rest}")
    } else {
        let folder = &base[..=base.rfind('/').unwrap()];
        format!("{folder}{rest}")
    };
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let mut place = steps(&decode(path));
    if let Some(folder) = place.strip_suffix("/index.html") {
        place = format!("{folder}/");
    }
    if !query.is_empty() {
        place = format!("{place}?{query}");
    }
    Some(place)
}

/// Takes the steps of a path one after the other.
fn steps(path: &str) -> String {
    let mut taken = Vec::new();
    let mut all = path.split('/').skip(1).peekable();
    while let Some(step) = all.next() {
        let last = all.peek().is_none();
        match step {
            ".." => {
                taken.pop();
            }
            "." => {}
            _ => {
                taken.push(step);
                continue;
            }
        }
        if last {
            taken.push("");
        }
    }
    format!("/{}", taken.join("/"))
}

/// Undoes percent signs, but for that of a slash, which separates nothing.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) if byte == b'%' && value != b'/' => {
                bytes.push(value);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The tests' pages are UTF-8, or else Latin-1.
fn text(content: &[u8]) -> String {
    match std::str::from_utf8(content) {
        Ok(text) => text.to_owned(),
        Err(_) => content.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// The links of a page, by looking for `<a` and the like.
fn hrefs(page: &str) -> Vec<String> {
    let mut hrefs = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix("!--") {
            rest = after.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let name = rest[..length].to_ascii_lowercase();
        if name.is_empty() {
            continue;
        }
        let (attributes, after) = attributes(&rest[length..]);
        rest = after;
        let link = match &*name {
            "a" | "area" => "href",
            "frame" | "iframe" => "src",
            _ => "",
        };
        let href = attributes.into_iter().find(|(name, _)| name == link);
        hrefs.extend(href.map(|(_, value)| value));
        if ["script", "style", "title", "textarea", "iframe"].contains(&&*name) {
            let end = format!("</{name}");
            rest = match rest.to_ascii_lowercase().find(&end) {
                Some(at) => &rest[at..],
                None => "",
            };
        }
    }
    hrefs
}

/// The attributes of a tag, and what comes after it.
fn attributes(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() || rest.starts_with('>') {
            return (all, rest.get(1..).unwrap_or(""));
        }
        let stop = |c: char| c.is_ascii_whitespace() || "=>/".contains(c);
        let (name, after) = rest.split_at(rest.find(stop).unwrap_or(rest.len()));
        let mut value = "";
        rest = after.trim_ascii_start();
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_ascii_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or(("", "")),
                _ => {
                    let stop = |c: char| c.is_ascii_whitespace() || c == '>';
                    after.split_at(after.find(stop).unwrap_or(after.len()))
                }
            };
        }
        let mut plain = value.to_owned();
        for (escaped, plainly) in [
            ("&lt;", "<"),
            ("&#39;", "'"),
            ("&quot;", "\""),
            ("&amp;", "&"),
        ] {
            plain = plain.replace(escaped, plainly);
        }
        all.push((name.to_ascii_lowercase(), plain));
    }
}
