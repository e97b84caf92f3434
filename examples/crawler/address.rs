//! Addresses: how they are asked for, the one spelling by which a page is known, and which pages belong to the crawl.

use std::sync::Arc;

use url::{Host, Origin, Url};

/// The address of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// The spelling by which the page is known. It is not what a host is asked for: `/docs/index.html` may exist when
    /// `/docs/` does not.
    pub(crate) page: Arc<str>,
    /// What is asked for: the address as it is written, without the parts that are never sent to a host.
    pub(crate) url: Arc<str>,
}

impl Address {
    pub(crate) fn new(url: Url) -> Address {
        let url = bare(url);
        let page = canonical(url.clone());
        let asked: Arc<str> = url.as_str().into();
        let page = if page.as_str() == &*asked {
            asked.clone()
        } else {
            page.as_str().into()
        };
        Address { page, url: asked }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.page.len() + self.url.len()
    }
}

/// Removes what is never sent to a host: the fragment, a user name, a password.
fn bare(mut url: Url) -> Url {
    url.set_fragment(None);
    // This fails only for URLs without a host, which have no user name either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// Brings a URL into the one spelling that the crawl knows its page by.
///
/// `Url` itself has already normalized the case of scheme and host, the default port, and `.` and `..`. This removes
/// the fragment, an empty query, a user name, `index.html` at the end, and escapes of characters that need none.
pub(crate) fn canonical(url: Url) -> Url {
    let mut url = bare(url);
    if url.query() == Some("") {
        url.set_query(None);
    }
    if url.cannot_be_a_base() {
        return url;
    }
    let path = plain_escapes(url.path());
    let path = match path.strip_suffix("/index.html") {
        Some(folder) => format!("{folder}/"),
        None => path,
    };
    if path != url.path() {
        url.set_path(&path);
    }
    url
}

/// Undoes escapes that are not needed (`%61` is `a`), and writes the others in capitals.
fn plain_escapes(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3);
        let byte = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(byte) = byte else {
            plain.push('%');
            rest = &rest[at + 1..];
            continue;
        };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            plain.push(char::from(byte));
        } else {
            plain.push_str(&format!("%{byte:02X}"));
        }
        rest = &rest[at + 3..];
    }
    plain.push_str(rest);
    plain
}

/// The host of an address, with its port unless that is the usual one.
pub(crate) fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    Some(&rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())])
}

/// Whether the host is this machine itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The pages that the crawl fetches: those of one host, or of some more, under one path.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    origin: Origin,
    /// Other hosts that belong to it.
    also: Arc<[Origin]>,
    under: String,
}

impl Scope {
    pub(crate) fn new(start: &Url, also: &[Url], under: Option<&str>) -> Scope {
        Scope {
            origin: start.origin(),
            also: also.iter().map(Url::origin).collect(),
            under: under.unwrap_or("/").to_owned(),
        }
    }

    /// The same path on another host.
    pub(crate) fn moved_to(&self, url: &Url) -> Scope {
        Scope {
            origin: url.origin(),
            ..self.clone()
        }
    }

    fn has_host(&self, url: &Url) -> bool {
        let origin = url.origin();
        origin == self.origin || self.also.contains(&origin)
    }

    /// Whether a page belongs to the crawl. `/book` holds `/book` and `/book/x`, but not `/bookshelf`.
    pub(crate) fn holds(&self, url: &Url) -> bool {
        if !matches!(url.scheme(), "http" | "https") || !self.has_host(url) {
            return false;
        }
        let url = canonical(url.clone());
        match url.path().strip_prefix(&*self.under) {
            Some(rest) => rest.is_empty() || rest.starts_with('/') || self.under.ends_with('/'),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        canonical(Url::parse(text).unwrap()).into()
    }

    #[test]
    fn spellings_of_one_page_are_one() {
        for spelling in [
            "http://host/a/b/",
            "HTTP://HOST:80/a/b/index.html",
            "http://host/a/./x/../b/#part",
            "http://host/a/b/index.html?#",
            "http://host/%61/%62/index%2Ehtml",
            "http://host/a/%2e%2E/a/b/",
            "http://me:secret@host/a/b/",
            "http://host\\a\\b\\",
        ] {
            assert_eq!(one(spelling), "http://host/a/b/", "{spelling}");
        }
    }

    #[test]
    fn different_pages_stay_different() {
        for (spelling, itself) in [
            ("http://host/a%2fb", "http://host/a%2Fb"),
            ("http://host/a?x=%61", "http://host/a?x=%61"),
            ("http://host/a%", "http://host/a%"),
            ("http://host/a%zé", "http://host/a%z%C3%A9"),
            ("http://host/xindex.html", "http://host/xindex.html"),
            ("http://host/a//b", "http://host/a//b"),
            ("http://host:8080/index.html", "http://host:8080/"),
        ] {
            assert_eq!(one(spelling), itself);
            assert_eq!(one(itself), itself, "canonical twice");
        }
    }

    #[test]
    fn an_address_is_asked_for_as_it_is_written() {
        for (written, asked, page) in [
            (
                "http://me:secret@HOST/docs/index.html#part",
                "http://host/docs/index.html",
                "http://host/docs/",
            ),
            ("http://host/%61?", "http://host/%61?", "http://host/a"),
            ("http://host/a", "http://host/a", "http://host/a"),
        ] {
            let address = Address::new(Url::parse(written).unwrap());
            assert_eq!((&*address.url, &*address.page), (asked, page));
        }
    }

    #[test]
    fn the_scope_ends_at_host_scheme_and_path() {
        let url = |text| Url::parse(text).unwrap();
        let scope = Scope::new(&url("http://host/book/"), &[], Some("/book"));
        for inside in [
            "http://host/book",
            "http://host/book/x",
            "http://host:80/book/?y",
            "http://host/%62ook/",
        ] {
            assert!(scope.holds(&url(inside)), "{inside}");
        }
        for outside in [
            "http://host/bookshelf",
            "http://host/",
            "https://host/book",
            "http://host:81/book",
            "http://other/book",
            "mailto:host/book",
        ] {
            assert!(!scope.holds(&url(outside)), "{outside}");
        }
    }
}
