//! When to ask a host again that has too much to do (429, 503).

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use hyper::header::RETRY_AFTER;
use hyper::{HeaderMap, StatusCode};

/// The pauses between the tries of one request.
pub(crate) struct Retries {
    pauses: ExponentialBackoff,
    longest: Duration,
}

/// How long to wait for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The host doesn't say. The request waits for this time.
    Usual(Duration),
    /// The host says so, of all its pages.
    Wanted(Duration),
}

impl Retries {
    /// For `most` tries after the first. If the host wants to be left alone for longer than `longest`, it is not asked
    /// again.
    pub(crate) fn new(most: usize, longest: Duration) -> Retries {
        let pauses = ExponentialBuilder::new()
            .with_max_delay(longest)
            .with_max_times(most)
            .with_jitter();
        Retries {
            pauses: pauses.build(),
            longest,
        }
    }

    /// The pause before the next try. `None` if the answer is the last.
    pub(crate) fn next(&mut self, status: StatusCode, headers: &HeaderMap) -> Option<Pause> {
        if !is_busy(status) {
            return None;
        }
        let usual = self.pauses.next()?;
        match retry_after(headers, SystemTime::now()) {
            None => Some(Pause::Usual(usual.min(self.longest))),
            Some(wanted) if wanted <= self.longest => Some(Pause::Wanted(wanted)),
            Some(_) => None,
        }
    }
}

/// Whether the host may answer otherwise soon.
pub(crate) fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// The pause that an answer asks for, in seconds or up to a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let field = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !field.is_empty() && field.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(Duration::from_secs(field.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(field).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(field: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, field.parse().unwrap());
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        retry_after(&headers, now)
    }

    #[test]
    fn seconds_and_dates_say_when_to_come_back() {
        for (field, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(after(field), seconds.map(Duration::from_secs), "{field}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), SystemTime::now()), None);
    }

    #[test]
    fn tries_are_bounded_in_number_and_in_time() {
        let longest = Duration::from_secs(3);
        let mut wanted = HeaderMap::new();
        wanted.insert(RETRY_AFTER, 3.into());
        let mut too_long = HeaderMap::new();
        too_long.insert(RETRY_AFTER, 31_536_000.into());
        let busy = StatusCode::SERVICE_UNAVAILABLE;

        let mut retries = Retries::new(4, longest);
        assert_eq!(retries.next(StatusCode::NOT_FOUND, &wanted), None);
        assert_eq!(retries.next(busy, &wanted), Some(Pause::Wanted(longest)));
        for _ in 0..3 {
            let pause = retries.next(busy, &HeaderMap::new());
            assert!(matches!(pause, Some(Pause::Usual(pause)) if pause <= longest));
        }
        assert_eq!(retries.next(busy, &wanted), None);
        assert_eq!(Retries::new(4, longest).next(busy, &too_long), None);
        assert_eq!(Retries::new(0, longest).next(busy, &wanted), None);
    }
}
