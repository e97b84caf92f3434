//! What a host's robots.txt allows (RFC 9309, read as Google's parser reads it), and what pages say to robots.

use std::time::Duration;

use hyper::HeaderMap;
use robotxt::{BYTE_LIMIT, Robots};
use url::Url;

/// The name that robots.txt may call this crawler by.
pub(crate) const NAME: &str = "heist-crawler";

/// How much of a robots.txt counts.
pub(crate) const MOST_BYTES: usize = BYTE_LIMIT;

/// The longest pause between two pages that a host can ask for.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// The rules of one host.
#[derive(Debug)]
pub(crate) enum Rules {
    /// There are no rules.
    All,
    /// The host can't be asked. Then nothing may be fetched.
    Nothing(String),
    Told(Box<Robots>, Option<Duration>),
}

impl Rules {
    /// Reads a robots.txt, or its first [`MOST_BYTES`]. What can't be read forbids nothing.
    pub(crate) fn read(text: &[u8]) -> Rules {
        let text = whole_lines(text);
        // [`robotxt`] ends a list of agents at a `Crawl-delay`. To Google's parser it is a line like any other.
        let robots = Robots::parse(&plain(text, false), NAME);
        let delay = Robots::parse(&plain(text, true), NAME).crawl_delay();
        Rules::Told(Box::new(robots), delay)
    }

    /// `Err` with the reason if a page may not be fetched.
    pub(crate) fn check(&self, url: &Url) -> Result<(), String> {
        match self {
            Rules::All => Ok(()),
            Rules::Nothing(why) => Err(format!("robots.txt can't be had: {why}")),
            Rules::Told(robots, _) if robots.is_url_allowed(url) => Ok(()),
            Rules::Told(..) => Err("robots.txt forbids it".into()),
        }
    }

    /// How long to wait between two requests, if the host asks for it.
    pub(crate) fn delay(&self) -> Option<Duration> {
        let Rules::Told(_, delay) = self else {
            return None;
        };
        Some((*delay)?.min(MAX_DELAY))
    }
}

/// The rules of `X-Robots-Tag` that have a value. Any other name before a colon is that of a crawler.
const VALUED: [&str; 4] = [
    "max-snippet",
    "max-image-preview",
    "max-video-preview",
    "unavailable_after",
];

/// Whether a page's `X-Robots-Tag` fields want none of its links followed. What comes after a crawler's name is for that
/// one only.
pub(crate) fn forbid_following(headers: &HeaderMap) -> bool {
    headers.get_all("x-robots-tag").iter().any(|field| {
        let field = String::from_utf8_lossy(field.as_bytes());
        let mut for_us = true;
        field.split(',').any(|rule| match rule.split_once(':') {
            Some((name, rule)) if !VALUED.iter().any(|rule| is_named(name, rule)) => {
                for_us = is_named(name, NAME);
                for_us && is_nofollow(rule)
            }
            _ => for_us && is_nofollow(rule),
        })
    })
}

fn is_named(text: &str, name: &str) -> bool {
    text.trim().eq_ignore_ascii_case(name)
}

/// Whether a list of rules for robots (`noindex, nofollow`) wants no links followed.
pub(crate) fn is_nofollow(rules: &str) -> bool {
    rules
        .split(',')
        .any(|rule| is_named(rule, "nofollow") || is_named(rule, "none"))
}

/// Drops the line that the limit cuts: half a path would forbid too much.
fn whole_lines(text: &[u8]) -> &[u8] {
    if text.len() < MOST_BYTES {
        return text;
    }
    let text = &text[..MOST_BYTES];
    let end = text
        .iter()
        .rposition(|&byte| byte == b'\n' || byte == b'\r');
    &text[..end.unwrap_or(0)]
}

/// The names of a line, as Google's parser and [`robotxt`] accept them.
const AGENT: [&[u8]; 3] = [b"user-agent", b"useragent", b"user agent"];
const DELAY: [&[u8]; 3] = [b"crawl-delay", b"crawldelay", b"crawl delay"];

/// Cuts each `User-agent: name/1.0 (remark)` down to `User-agent: name`. Google's parser compares only the product
/// token, letters, `_` and `-`; [`robotxt`] compares the whole value. Drops each `Crawl-delay` unless it is wanted.
fn plain(text: &[u8], with_delay: bool) -> Vec<u8> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut plain = Vec::with_capacity(text.len());
    for line in text.split(|byte| b"\r\n\0".contains(byte)) {
        if let Some(agent) = value(line, AGENT) {
            plain.extend_from_slice(b"User-agent: ");
            plain.extend_from_slice(product_token(agent));
        } else if with_delay || value(line, DELAY).is_none() {
            plain.extend_from_slice(line);
        }
        plain.push(b'\n');
    }
    plain
}

/// The value of a line of this name, without a comment. Google's parser accepts a space instead of the colon, too.
fn value<'a>(line: &'a [u8], names: [&[u8]; 3]) -> Option<&'a [u8]> {
    let line = line.split(|&byte| byte == b'#').next()?.trim_ascii_start();
    let rest = names.iter().find_map(|name| {
        let (start, rest) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(rest)
    })?;
    let value = rest.trim_ascii_start();
    match value.strip_prefix(b":") {
        Some(value) => Some(value.trim_ascii_start()),
        None => (value.len() < rest.len()).then_some(value),
    }
}

fn product_token(agent: &[u8]) -> &[u8] {
    if let [b'*', rest @ ..] = agent
        && rest.first().is_none_or(u8::is_ascii_whitespace)
    {
        return b"*";
    }
    let belongs = |byte: &u8| byte.is_ascii_alphabetic() || b"-_".contains(byte);
    let end = agent.iter().position(|byte| !belongs(byte));
    &agent[..end.unwrap_or(agent.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rules: &Rules, path: &str) -> bool {
        let url = Url::parse("http://host/").unwrap().join(path).unwrap();
        rules.check(&url).is_ok()
    }

    #[test]
    fn rules_for_this_crawler_win_over_those_for_all() {
        let rules = Rules::read(
            b"User-agent: *\nDisallow: /\n\nUser-agent: heist-crawler\nDisallow: /private\nAllow: /private/open\nCrawl-delay: 1.5\n",
        );
        assert!(allows(&rules, "/page"));
        assert!(!allows(&rules, "/private/x"));
        assert!(allows(&rules, "/private/open"));
        assert_eq!(rules.delay(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn rubbish_forbids_nothing_and_a_silent_host_everything() {
        let rules = Rules::read(&[0xff, 0, 7, b'\n', b':', 0xfe]);
        assert!(allows(&rules, "/page"));
        assert_eq!(rules.delay(), None);
        assert!(!allows(&Rules::Nothing("503".into()), "/page"));
        // A rule that can't be kept does not affect the others.
        let long = format!(
            "User-agent: *\nDisallow: /{}$\nDisallow: /x\n",
            "a*".repeat(100_000)
        );
        let rules = Rules::read(long.as_bytes());
        assert!(allows(&rules, &"a".repeat(2000)) && !allows(&rules, "/x"));
    }

    #[test]
    fn no_delay_is_longer_than_the_crawl_can_bear() {
        for delay in ["1e30", "31", "1e300", "18446744073709551615"] {
            let rules = Rules::read(format!("User-agent: *\nCrawl-delay: {delay}\n").as_bytes());
            assert!(rules.delay().unwrap_or_default() <= MAX_DELAY);
        }
    }

    #[test]
    fn a_group_is_for_us_if_its_product_token_is_ours() {
        for agent in [
            "User-agent: heist-crawler",
            "User-Agent:heist-crawler/1.0",
            "user-agent : HEIST-Crawler (a crawler)",
            "useragent: heist-crawler/2 # a remark",
            "User agent heist-crawler",
            "\u{feff}User-agent: heist-crawler/1.0",
            "User-agent: other\nUser-agent: heist-crawler 1",
            "User-agent: heist-crawler\nDisallow: /first\n\nUser-agent: x\n\nUser-agent: heist-crawler/7",
        ] {
            let text = format!("{agent}\nDisallow: /no\n\nUser-agent: *\nDisallow: /\n");
            let rules = Rules::read(text.as_bytes());
            assert!(allows(&rules, "/yes") && !allows(&rules, "/no"), "{agent}");
        }
        for agent in [
            "heist-crawler-two",
            "heist",
            "1heist-crawler",
            "*heist-crawler",
            "",
            "heist crawler",
        ] {
            let text = format!("User-agent: {agent}\nDisallow: /no\n");
            assert!(allows(&Rules::read(text.as_bytes()), "/no"), "{agent}");
        }
        for agent in ["* and so on", "*#all", "* # all", "*\t"] {
            let text = format!("User-agent: {agent}\nDisallow: /no\n");
            assert!(!allows(&Rules::read(text.as_bytes()), "/no"), "{agent}");
        }
    }

    #[test]
    fn a_delay_and_a_sitemap_do_not_end_a_list_of_agents() {
        for line in [
            "Crawl-delay: 2",
            "crawldelay 2",
            "Sitemap: http://host/x",
            "Host: x",
        ] {
            let text =
                format!("User-agent: heist-crawler\n{line}\nUser-agent: other\nDisallow: /no\n");
            assert!(!allows(&Rules::read(text.as_bytes()), "/no"), "{line}");
        }
        let rules = Rules::read(b"User-agent: *\nCrawl-delay: 2 # seconds\nUser-agent: other\n");
        assert_eq!(rules.delay(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn the_longest_rule_wins_and_allow_wins_a_tie() {
        for (rules, path, allowed) in [
            ("Allow: /p\nDisallow: /", "/page", true),
            ("Disallow: /page\nAllow: /page", "/page", true),
            ("Disallow: /page\nAllow: /pag", "/page", false),
            ("Allow: /page\nDisallow: /*.html", "/page.html", false),
            ("Allow: /$\nDisallow: /", "/", true),
            ("Allow: /$\nDisallow: /", "/page.html", false),
            ("Disallow: /*.php$", "/a/b.php", false),
            ("Disallow: /*.php$", "/a/b.php?x", true),
            ("Disallow: /a$b", "/a$b/c", false),
            ("Disallow:\nDisallow: /x", "/x", false),
            ("Disallow: /a?b=", "/a?b=c", false),
            ("Disallow: /A", "/a", true),
        ] {
            let text = format!("User-agent: *\n{rules}\n");
            assert_eq!(
                allows(&Rules::read(text.as_bytes()), path),
                allowed,
                "{rules} {path}"
            );
        }
    }

    #[test]
    fn a_path_and_its_rule_may_be_spelled_differently() {
        for (rule, path) in [
            ("/%61", "/a"),
            ("/a", "/%61"),
            ("/%7euser", "/~user"),
            ("/\u{e9}", "/%c3%a9"),
            ("/%C3%a9", "/\u{e9}"),
            ("/a%2fb", "/a%2Fb"),
            ("/50%off/%c3%a9", "/50%off/%C3%A9"),
            ("/docs/index.html", "/docs/index.html"),
        ] {
            let text = format!("User-agent: *\nDisallow: {rule}\n");
            assert!(
                !allows(&Rules::read(text.as_bytes()), path),
                "{rule} {path}"
            );
        }
        let rules = Rules::read(
            b"User-agent: *\nDisallow: /a%2Fb\nDisallow: /docs/index.html\nDisallow: /\xe9\n",
        );
        assert!(allows(&rules, "/a/b") && allows(&rules, "/docs/"));
        assert!(!allows(&rules, "/%E9"));
    }

    #[test]
    fn an_answer_can_forbid_to_follow_its_links() {
        for (fields, forbids) in [
            (&["nofollow"][..], true),
            (&["noindex, NoFollow"], true),
            (&["none"], true),
            (&["noindex", "nofollow"], true),
            (&["heist-crawler: noindex, nofollow"], true),
            (&["other: noindex, heist-crawler: none"], true),
            (&["max-snippet: 5, nofollow"], true),
            (&["unavailable_after: 25 Jun 2010 15:00:00 PST, none"], true),
            (&["other: noindex, nofollow"], false),
            (&["other: nofollow", "noindex"], false),
            (&["heist-crawler: noindex, other: nofollow"], false),
            (&["follow, all"], false),
            (&["", ":", ","], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-robots-tag", field.parse().unwrap());
            }
            assert_eq!(forbid_following(&headers), forbids, "{fields:?}");
        }
    }

    #[test]
    fn the_first_500_kib_count() {
        let mut text = b"User-agent: *\nDisallow: /early\n".to_vec();
        text.extend(b"# filler\n".repeat(MOST_BYTES / 9 + 1));
        text.truncate(MOST_BYTES - 12);
        text.extend(b"\nDisallow: /late\nDisallow: /later\n");
        let rules = Rules::read(&text);
        assert!(!allows(&rules, "/early"));
        assert!(allows(&rules, "/page") && allows(&rules, "/late") && allows(&rules, "/later"));
    }
}
