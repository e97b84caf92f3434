//! How fast a Redis is as a frontier, over one connection. Nothing is fetched.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heist::sync::CancellationToken;
use heist::task::JoinSet;
use url::Url;

use super::redis::{Place, Redis};
use super::{Claim, Frontier};
use crate::address::Address;
use crate::crawl::{Options, unless};
use crate::job::{Fetched, Found, Report};
use crate::outcome::Page;
use crate::progress::Progress;

/// How many pages a call claims, or how many calls are made at once.
const AT_ONCE: usize = 64;

/// Times steps of a crawl of made up pages.
pub(crate) async fn measure(
    place: &Place,
    options: &Options,
    pages: usize,
    stop: &CancellationToken,
) -> io::Result<()> {
    let start = Url::parse("http://measure.invalid/").map_err(io::Error::other)?;
    let mut options = Options {
        start: start.clone(),
        ..options.clone()
    };
    options.max_pages = options.max_pages.max(pages + 1);
    options.limits.per_host = pages;
    options.limits.delay = Duration::ZERO;
    let place = Place {
        name: format!("measure {}", std::process::id()),
        lease: Duration::from_secs(600),
        ..place.clone()
    };
    let redis = unless(stop, Redis::open(&place, &options, Progress::hidden())).await?;
    let measured = unless(stop, steps(&redis, &start, pages)).await;
    redis.forget().await?;
    measured
}

async fn steps(redis: &Arc<Redis>, start: &Url, pages: usize) -> io::Result<()> {
    let begin = Instant::now();
    for claim in redis.claim(1).await? {
        let link = |number| {
            let page = start.join(&format!("/some/where/page-{number}.html"));
            page.map(Address::new).map_err(io::Error::other)
        };
        let links = (0..pages).map(link).collect::<io::Result<_>>()?;
        redis.complete(&claim, page(links)).await?;
    }
    say("links taken in", pages, begin);

    let (one_by_one, begin) = (pages / 2, Instant::now());
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let redis = redis.clone();
        callers.spawn(async move {
            let mut claims = Vec::new();
            for _ in 0..one_by_one / AT_ONCE {
                claims.extend(redis.claim(1).await?);
            }
            io::Result::Ok(claims)
        });
    }
    let mut claims = Vec::new();
    while let Some(claimed) = callers.join_next().await {
        claims.extend(claimed??);
    }
    say("claims, one a call", claims.len(), begin);

    let (before, begin) = (claims.len(), Instant::now());
    while claims.len() < pages {
        claims.extend(redis.claim(AT_ONCE.min(pages - claims.len())).await?);
    }
    say("claims, 64 a call", claims.len() - before, begin);

    let begin = Instant::now();
    let mut reporters = JoinSet::new();
    let share = claims.len().div_ceil(AT_ONCE).max(1);
    for share in claims.chunks(share).map(<[Claim]>::to_vec) {
        let redis = redis.clone();
        reporters.spawn(async move {
            for claim in share {
                redis.complete(&claim, page(Vec::new())).await?;
            }
            io::Result::Ok(())
        });
    }
    while let Some(reported) = reporters.join_next().await {
        reported??;
    }
    say("reports", claims.len(), begin);
    Ok(())
}

fn page(links: Vec<Address>) -> Report {
    let page = Page {
        status: 200,
        media: None,
        bytes: 0,
        links: links.len(),
        cut: None,
    };
    let found = Found {
        links,
        ..Found::default()
    };
    Report::new(Fetched::Page(page, found))
}

fn say(what: &str, number: usize, begin: Instant) {
    let rate = number as f64 / begin.elapsed().as_secs_f64().max(f64::EPSILON);
    // Whoever reads may have seen enough.
    let _ = writeln!(io::stdout(), "{what:<20}{rate:.0} a second, of {number}");
}
