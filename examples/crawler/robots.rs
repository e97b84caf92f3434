//! What a host's robots.txt allows (RFC 9309).

use std::time::Duration;

use texting_robots::Robot;
use url::Url;

/// The name that robots.txt may call this crawler by.
pub(crate) const NAME: &str = "heist-crawler";

/// No host may slow the crawl down by more than this between two pages.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// The rules of one host.
#[derive(Debug)]
pub(crate) enum Rules {
    /// There are none.
    All,
    /// The host can't be asked: then nothing may be fetched.
    Nothing(String),
    Told(Box<Robot>),
}

impl Rules {
    /// Reads a robots.txt. What can't be read forbids nothing.
    pub(crate) fn read(text: &[u8]) -> Rules {
        match Robot::new(NAME, text) {
            Ok(robot) => Rules::Told(Box::new(robot)),
            Err(_) => Rules::All,
        }
    }

    /// `Err` with the reason where a page may not be fetched.
    pub(crate) fn check(&self, url: &Url) -> Result<(), String> {
        match self {
            Rules::All => Ok(()),
            Rules::Nothing(why) => Err(format!("robots.txt can't be had: {why}")),
            Rules::Told(robot) if robot.allowed(url.as_str()) => Ok(()),
            Rules::Told(_) => Err("robots.txt forbids it".into()),
        }
    }

    /// How long to wait between two requests, where the host asks for it.
    pub(crate) fn delay(&self) -> Option<Duration> {
        let Rules::Told(robot) = self else {
            return None;
        };
        let delay = Duration::try_from_secs_f32(robot.delay?).ok()?;
        Some(delay.min(MAX_DELAY))
    }
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
    }

    #[test]
    fn no_delay_is_longer_than_the_crawl_can_bear() {
        let rules = Rules::read(b"User-agent: *\nCrawl-delay: 1e30\n");
        assert!(rules.delay().unwrap_or_default() <= MAX_DELAY);
    }
}
