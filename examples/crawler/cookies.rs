//! The cookies of a crawl, by [`cookie_store`], with a limit on what hosts make it keep.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cookie_store::{Cookie, CookieStore};
use hyper::HeaderMap;
use hyper::header::{HeaderValue, SET_COOKIE};
use url::Url;

/// How many cookies are kept, and how long each may be, its attributes included. Those are what RFC 6265 asks of a
/// browser at least.
const MOST_COOKIES: usize = 50;
const LONGEST: usize = 4096;

/// Keeps what hosts set, and gives it back to them.
#[derive(Default)]
pub(crate) struct Jar {
    store: Mutex<CookieStore>,
}

impl Jar {
    /// Takes the cookies out of an answer. One that is wrong, too long or too many is ignored.
    pub(crate) fn take(&self, url: &Url, headers: &HeaderMap) {
        for field in headers.get_all(SET_COOKIE) {
            let short = Some(field.as_bytes()).filter(|field| field.len() <= LONGEST);
            let text = short.and_then(|field| std::str::from_utf8(field).ok());
            if let Some(Ok(cookie)) = text.map(|text| Cookie::parse(text, url)) {
                keep(&mut self.lock(), cookie.into_owned(), url);
            }
        }
    }

    /// The `Cookie` field of a request.
    pub(crate) fn field(&self, url: &Url) -> Option<HeaderValue> {
        let store = self.lock();
        let cookies = store.get_request_values(url);
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        // What can't be in a field wasn't in the one that set it.
        let field = HeaderValue::try_from(cookies.join("; ")).ok()?;
        (!field.is_empty()).then_some(field)
    }

    fn lock(&self) -> MutexGuard<'_, CookieStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep(store: &mut CookieStore, cookie: Cookie<'static>, url: &Url) {
    let domain = String::from(&cookie.domain);
    let path = String::from(&cookie.path);
    if store.iter_any().count() >= MOST_COOKIES
        && !store.contains_any(&domain, &path, cookie.name())
    {
        // Those that have expired are still there.
        let valid: Vec<_> = store.iter_unexpired().cloned().collect();
        if valid.len() >= MOST_COOKIES {
            return;
        }
        let Ok(without_expired) =
            CookieStore::from_cookies(valid.into_iter().map(Ok::<_, Infallible>), false);
        *store = without_expired;
    }
    // A host can't set what is another's.
    let _ = store.insert(cookie, url);
}

impl fmt::Debug for Jar {
    /// Cookies are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jar").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn set(jar: &Jar, at: &str, cookies: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(
                SET_COOKIE,
                HeaderValue::from_bytes(cookie.as_ref()).unwrap(),
            );
        }
        jar.take(&url(at), &headers);
    }

    fn sent(jar: &Jar, to: &str) -> Vec<String> {
        let field = jar.field(&url(to));
        let bytes = field.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        let text = std::str::from_utf8(bytes).unwrap();
        let mut all: Vec<_> = text.split("; ").map(str::to_owned).collect();
        all.retain(|cookie| !cookie.is_empty());
        all.sort();
        all
    }

    #[test]
    fn a_cookie_goes_where_it_belongs() {
        let jar = Jar::default();
        assert_eq!(jar.field(&url("http://host/")), None);
        set(
            &jar,
            "https://a.host.test/",
            [
                "a=1",
                "b=2; Path=/in",
                "c=3; Secure",
                "d=4; Domain=host.test",
            ],
        );
        set(
            &jar,
            "https://a.host.test/",
            ["x=1; Domain=other.test", "", "=", "y", "z=\u{e9}"],
        );
        assert_eq!(
            sent(&jar, "https://a.host.test/"),
            ["a=1", "c=3", "d=4", "z=\u{e9}"]
        );
        assert_eq!(
            sent(&jar, "http://a.host.test/in/x"),
            ["a=1", "b=2", "d=4", "z=\u{e9}"]
        );
        assert_eq!(sent(&jar, "http://b.host.test/"), ["d=4"]);
        assert!(sent(&jar, "http://other.test/").is_empty());
        set(&jar, "https://a.host.test/", ["a=; Max-Age=0", "c=5"]);
        assert_eq!(
            sent(&jar, "https://a.host.test/"),
            ["c=5", "d=4", "z=\u{e9}"]
        );
    }

    #[test]
    fn a_flood_of_cookies_is_bounded_and_what_expires_makes_room() {
        let jar = Jar::default();
        set(
            &jar,
            "http://host/",
            (0..10_000).map(|cookie| format!("c{cookie}=x")),
        );
        assert_eq!(sent(&jar, "http://host/").len(), MOST_COOKIES);
        // A cookie that is known can change all the same.
        set(&jar, "http://host/", ["c7=new", "other=x"]);
        assert!(sent(&jar, "http://host/").contains(&"c7=new".to_owned()));
        set(&jar, "http://host/", ["c7=; Max-Age=0", "other=x"]);
        let now = sent(&jar, "http://host/");
        assert!(now.contains(&"other=x".to_owned()) && now.len() == MOST_COOKIES);
        let jar = Jar::default();
        let long = |length: usize| format!("c={}", "x".repeat(length - 2));
        set(&jar, "http://host/", [long(LONGEST + 1)]);
        assert!(sent(&jar, "http://host/").is_empty());
        set(&jar, "http://host/", [long(LONGEST)]);
        assert_eq!(sent(&jar, "http://host/").len(), 1);
    }
}
