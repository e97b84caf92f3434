//! The frontier of a crawl by any number of processes: in a Redis.
//!
//! Each step is a Lua script, which Redis runs as a whole or not at all. `prelude.lua` says which keys there are. The
//! scripts decide which pages to fetch, by the rules of the [`Clerk`]. What came of each page is appended to a list of
//! records. In the end each process reads them into a clerk of its own, which finds the broken links.
//!
//! If Redis goes away, calls wait and are made again. That is safe: only the first report under a lease counts. Pages
//! that were handed out in a lost answer are recalled before the next claim.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use ::redis::{ConnectionInfo, IntoConnectionInfo, Value, cmd};
use heist::time::sleep;
use serde_json::json;
use url::Url;

use super::link::{Fault, Link};
use super::record::{self, Record};
use super::{Claim, Frontier, Lease};
use crate::address::{Address, Scope};
use crate::clerk::{self, Clerk};
use crate::crawl::Options;
use crate::job::{Fetched, Report};
use crate::outcome::Outcome;
use crate::progress::{Counts, Progress, Share};
use crate::tls::Tls;

/// How long to wait for a Redis that is away.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two tries to reach it.
const RETRY: Duration = Duration::from_millis(100);

/// The longest time for which a page that another process finds is not noticed.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How many records are read at once.
const RECORDS: isize = 500;

/// Where the frontier is, and how the crawl uses it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) url: Url,
    /// The crawl's name. Processes that give the same one share a crawl.
    pub(crate) name: String,
    /// How long a page stays with a crawler that is not heard of.
    pub(crate) lease: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Script {
    Open,
    Claim,
    Complete,
    Renew,
    Pause,
    Recall,
    Counts,
    Forget,
}

impl Script {
    /// In the order of their numbers.
    const ALL: [&str; 8] = [
        include_str!("open.lua"),
        include_str!("claim.lua"),
        include_str!("complete.lua"),
        include_str!("renew.lua"),
        include_str!("pause.lua"),
        include_str!("recall.lua"),
        include_str!("counts.lua"),
        include_str!("forget.lua"),
    ];
}

/// A connection that knows all scripts.
struct Ready {
    link: Link,
    /// Their names in Redis.
    scripts: Vec<String>,
}

/// The pages of a crawl, in a Redis.
pub(crate) struct Redis {
    info: ConnectionInfo,
    /// If the connection is secure.
    tls: Option<Tls>,
    url: Url,
    prefix: String,
    lease_ms: u128,
    options: Options,
    scope: Scope,
    /// This process's number, from 1 on.
    process: u64,
    ready: heist::sync::Mutex<Option<Arc<Ready>>>,
    /// The pages that this process has.
    held: Mutex<HashSet<Lease>>,
    progress: Mutex<Progress>,
    /// Whether the crawl was over before this process joined it.
    over: bool,
}

impl Redis {
    /// Joins a crawl, or begins it. Here nothing is waited for: an address or a password that is wrong should show at
    /// once.
    pub(crate) async fn open(
        place: &Place,
        options: &Options,
        progress: Progress,
    ) -> io::Result<Arc<Redis>> {
        let (url, secure) = without_tls(&place.url);
        let info = url.as_str().into_connection_info();
        let info = info.map_err(|error| invalid(format!("{}: {error}", url.scheme())))?;
        let mut redis = Redis {
            prefix: format!("crawler:{{{}}}:", place.name),
            lease_ms: place.lease.as_millis().max(1),
            options: options.clone(),
            scope: Scope::new(&options.start, &options.also, options.under.as_deref()),
            process: 0,
            ready: heist::sync::Mutex::new(None),
            held: Mutex::default(),
            progress: Mutex::new(progress),
            info,
            tls: secure.then(|| Tls::new(options.roots.clone())),
            url,
            over: false,
        };
        let opened = redis
            .try_run(Script::Open, &open_arguments(options))
            .await
            .map_err(|fault| redis.describe(fault))?;
        let opened = items(opened)?;
        let [process, settings, over] = &opened[..] else {
            return Err(odd(opened));
        };
        let settings = text(settings)?;
        if settings != settings_text(options) {
            return Err(invalid(format!(
                "the crawl {:?} has other settings: {settings}. Give this one another name (--crawl)",
                place.name
            )));
        }
        redis.process = whole(process)?;
        redis.over = whole(over)? == 1;
        let redis = Arc::new(redis);
        heist::spawn(beat(Arc::downgrade(&redis), place.lease / 3));
        heist::spawn(look(Arc::downgrade(&redis)));
        Ok(redis)
    }

    /// Whether the crawl was over before this process joined it. Then its outcome is all that is left to get.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Runs a script. Waits for a Redis that is away.
    async fn run(&self, script: Script, arguments: &[Vec<u8>]) -> io::Result<Value> {
        let mut since = None;
        loop {
            // Pages that a lost answer has handed out should not wait until their leases run out.
            let recalled = match (script, since) {
                (Script::Claim, Some(_)) => self.recall().await,
                _ => Ok(()),
            };
            let result = match recalled {
                Ok(()) => self.try_run(script, arguments).await,
                Err(fault) => Err(fault),
            };
            let fault = match result {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            let since = since.get_or_insert_with(Instant::now);
            if matches!(fault, Fault::Lasting(_)) || since.elapsed() > PATIENCE {
                return Err(self.describe(fault));
            }
            sleep(RETRY).await;
        }
    }

    /// Gives back the pages that this process has without knowing it.
    async fn recall(&self) -> Result<(), Fault> {
        let arguments = self.this_process_and_leases();
        self.try_run(Script::Recall, &arguments).await.map(drop)
    }

    async fn try_run(&self, script: Script, arguments: &[Vec<u8>]) -> Result<Value, Fault> {
        let ready = self.ready().await?;
        let mut call = cmd("EVALSHA");
        call.arg(&ready.scripts[script as usize])
            .arg(1)
            .arg(&self.prefix);
        for argument in arguments {
            call.arg(&**argument);
        }
        let result = ready.link.call(&call).await;
        if matches!(result, Err(Fault::Passing(_) | Fault::NoScript)) {
            let mut current = self.ready.lock().await;
            // Another call may have connected again already.
            if current
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, &ready))
            {
                *current = None;
            }
        }
        result
    }

    /// The connection. Connects if there is none.
    async fn ready(&self) -> Result<Arc<Ready>, Fault> {
        let mut current = self.ready.lock().await;
        if let Some(ready) = &*current {
            return Ok(ready.clone());
        }
        let secure = self.tls.as_ref().map(|tls| (tls, &self.url));
        let link = Link::open(&self.info, secure).await?;
        let mut scripts = Vec::new();
        for body in Script::ALL {
            let script = format!("{}\n{body}", include_str!("prelude.lua"));
            let name = link.call(cmd("SCRIPT").arg("LOAD").arg(script)).await?;
            scripts.push(text(&name).map_err(Fault::Lasting)?.to_owned());
        }
        let ready = Arc::new(Ready { link, scripts });
        *current = Some(ready.clone());
        Ok(ready)
    }

    fn describe(&self, fault: Fault) -> io::Error {
        let error = match fault {
            Fault::Passing(error) | Fault::Lasting(error) => error,
            Fault::NoScript => io::Error::other("it forgets its scripts"),
        };
        // Without a password, which the URL may hold.
        let address = self.info.addr();
        let how = if self.tls.is_some() { " by TLS" } else { "" };
        io::Error::new(
            error.kind(),
            format!("the frontier in Redis at {address}{how}: {error}"),
        )
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashSet<Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn this_process(&self) -> Vec<u8> {
        self.process.to_string().into()
    }

    fn this_process_and_leases(&self) -> Vec<Vec<u8>> {
        let leases = self.held().clone();
        let leases = leases.iter().map(|lease| lease.0.as_bytes().to_vec());
        [self.this_process()].into_iter().chain(leases).collect()
    }

    fn claims(&self, answer: &[Value]) -> io::Result<Vec<Claim>> {
        let [_, _, scope, pages @ ..] = answer else {
            return Err(odd(answer));
        };
        let scope = Url::parse(text(scope)?).map_err(io::Error::other)?;
        let scope = self.scope.moved_to(&scope);
        let claim = |pair: &[Value]| {
            let [lease, url] = pair else {
                return Err(odd(answer));
            };
            Ok(Claim {
                lease: Lease(text(lease)?.into()),
                url: text(url)?.into(),
                scope: scope.clone(),
            })
        };
        pages.chunks(2).map(claim).collect()
    }

    /// How the crawl goes, for those who watch it.
    async fn counts(&self) -> io::Result<Counts> {
        let answer = items(self.run(Script::Counts, &[]).await?)?;
        let [had, waiting, errors, elapsed, now, each] = &answer[..] else {
            return Err(odd(answer));
        };
        let now = whole(now)?;
        let mut counts = Counts {
            had: whole(had)?,
            waiting: whole(waiting)?,
            errors: whole(errors)?,
            elapsed: Duration::from_millis(whole(elapsed)?),
            processes: Default::default(),
        };
        for pair in items(each.clone())?.chunks(2) {
            let [name, count] = pair else {
                return Err(odd(each));
            };
            let of = text(name)?.split_once(':');
            let (process, name) = of.ok_or_else(|| odd(name))?;
            let process = process.parse().map_err(|_| odd(process))?;
            let share: &mut Share = counts.processes.entry(process).or_default();
            let count = whole(count)?;
            match name {
                "pages" => share.pages = count,
                "errors" => share.errors = count,
                "out" => share.in_work = count,
                "seen" => share.silent = Duration::from_millis(now.saturating_sub(count)),
                _ => {}
            }
        }
        Ok(counts)
    }

    /// Deletes the crawl. Nobody else may be in it.
    pub(super) async fn forget(&self) -> io::Result<()> {
        self.run(Script::Forget, &[]).await.map(drop)
    }

    /// Reads all records into a clerk of its own.
    async fn read_records(&self) -> io::Result<Clerk> {
        let mut clerk = Clerk::new(
            Address::new(self.options.start.clone()),
            self.scope.clone(),
            self.options.max_redirects,
            self.options.max_pages,
            Progress::hidden(),
        );
        let key = format!("{}records", self.prefix);
        for first in (0..).step_by(RECORDS as usize) {
            let mut range = cmd("LRANGE");
            range.arg(&key).arg(first).arg(first + RECORDS - 1);
            let records = items(self.call(&range).await?)?;
            for record in &records {
                let Value::BulkString(bytes) = record else {
                    return Err(odd(record));
                };
                let Record {
                    process,
                    address,
                    report,
                } = record::read(bytes)?;
                if !clerk.replay(address, report, process) {
                    return Err(io::Error::other(
                        "the frontier's records contradict each other",
                    ));
                }
            }
            if records.is_empty() {
                break;
            }
        }
        Ok(clerk)
    }

    /// Makes a call that changes nothing. Waits for a Redis that is away.
    async fn call(&self, command: &::redis::Cmd) -> io::Result<Value> {
        let begin = Instant::now();
        loop {
            let result = match self.ready().await {
                Ok(ready) => ready.link.call(command).await,
                Err(fault) => Err(fault),
            };
            match result {
                Ok(value) => return Ok(value),
                Err(Fault::Passing(_)) if begin.elapsed() < PATIENCE => {}
                Err(fault) => return Err(self.describe(fault)),
            }
            *self.ready.lock().await = None;
            sleep(RETRY).await;
        }
    }
}

impl Frontier for Redis {
    async fn claim(&self, most: usize) -> io::Result<Vec<Claim>> {
        let arguments = [
            self.this_process(),
            most.to_string().into(),
            self.lease_ms.to_string().into(),
        ];
        loop {
            let answer = items(self.run(Script::Claim, &arguments).await?)?;
            let claims = self.claims(&answer)?;
            if !claims.is_empty() {
                let leases = claims.iter().map(|claim| claim.lease.clone());
                self.held().extend(leases);
                return Ok(claims);
            }
            if whole(&answer[0])? == 1 {
                return Ok(Vec::new());
            }
            let wait = Duration::from_millis(whole(&answer[1])?.max(1));
            sleep(wait.min(LONGEST_WAIT)).await;
        }
    }

    async fn complete(&self, claim: &Claim, report: Report) -> io::Result<()> {
        let record = record::write(self.process, &claim.url, &report)?;
        let mut moved = String::new();
        let mut links: Vec<&Address> = Vec::new();
        let kind = match &report.fetched {
            Fetched::Page(_, found) => {
                links.extend(&found.links);
                "page"
            }
            Fetched::Redirect(target) => {
                let url = Url::parse(&target.url).map_err(io::Error::other)?;
                if !claim.scope.holds(&url) {
                    moved = url.into();
                }
                links.push(target);
                "redirect"
            }
            _ => "failed",
        };
        let more_requests = report.answers.len().saturating_sub(1);
        let mut arguments: Vec<Vec<u8>> = vec![
            claim.lease.0.as_bytes().into(),
            kind.into(),
            record,
            whole_ms(report.delay),
            whole_ms(report.pause),
            more_requests.to_string().into(),
            moved.into(),
        ];
        for link in links {
            arguments.push(link.page.as_bytes().into());
            arguments.push(link.url.as_bytes().into());
        }
        let done = self.run(Script::Complete, &arguments).await;
        self.held().remove(&claim.lease);
        if whole(&done?)? == 1
            && let Fetched::Failed(reason) = &report.fetched
        {
            self.progress().error(&claim.url, reason);
        }
        Ok(())
    }

    async fn not_before(&self, host: &str, pause: Duration) -> io::Result<()> {
        let arguments = [host.into(), whole_ms(pause)];
        self.run(Script::Pause, &arguments).await.map(drop)
    }

    async fn close(&self, interrupted: bool) -> io::Result<Outcome> {
        if interrupted {
            self.held().clear();
            self.run(Script::Recall, &[self.this_process()]).await?;
        }
        let counts = self.counts().await?;
        let mut outcome = self.read_records().await?.close(counts.elapsed);
        outcome.interrupted = interrupted;
        for process in counts.processes.into_keys() {
            outcome.processes.entry(process).or_default();
        }
        Ok(outcome)
    }
}

/// Renews the leases, for as long as the frontier is in use.
async fn beat(frontier: Weak<Redis>, pause: Duration) {
    loop {
        sleep(pause).await;
        let Some(frontier) = frontier.upgrade() else {
            return;
        };
        let mut arguments = frontier.this_process_and_leases();
        arguments.insert(1, frontier.lease_ms.to_string().into());
        // If that fails for long, others get the pages.
        let _ = frontier.run(Script::Renew, &arguments).await;
    }
}

/// Shows how the crawl goes, for as long as the frontier is in use.
async fn look(frontier: Weak<Redis>) {
    while let Some(frontier) = frontier.upgrade() {
        if !frontier.progress().is_seen() {
            return;
        }
        if let Ok(counts) = frontier.counts().await {
            frontier.progress().show(&counts);
        }
        drop(frontier);
        sleep(LOOK).await;
    }
}

/// The address without TLS, and whether TLS is wanted. The crate `redis` knows such an address only if it brings its own
/// TLS along.
fn without_tls(url: &Url) -> (Url, bool) {
    let mut plain = url.clone();
    let scheme = match url.scheme() {
        "rediss" => "redis",
        "valkeys" => "valkey",
        _ => return (plain, false),
    };
    let secure = plain.set_scheme(scheme).is_ok();
    (plain, secure)
}

/// What all processes of a crawl must agree on.
fn settings_text(options: &Options) -> String {
    json!({
        "start": options.start.as_str(),
        "hosts": options.also.iter().map(Url::as_str).collect::<Vec<_>>(),
        "under": options.under,
        "max-pages": options.max_pages,
        "max-links": options.max_links,
        "max-redirects": options.max_redirects,
        "max-bytes": options.limits.max_bytes,
        "per-host": options.limits.per_host,
        "delay": options.limits.delay.as_secs_f64(),
        "robots": options.limits.robots_on_loopback,
    })
    .to_string()
}

fn open_arguments(options: &Options) -> Vec<Vec<u8>> {
    let start = Address::new(options.start.clone());
    let most = |number: usize| number.min(1 << 50).to_string().into();
    vec![
        "open".into(),
        settings_text(options).into(),
        start.page.as_bytes().into(),
        start.url.as_bytes().into(),
        most(options.max_pages),
        most(clerk::room(options.max_pages)),
        options.max_redirects.to_string().into(),
        most(options.limits.per_host),
        whole_ms(options.limits.delay),
    ]
}

/// A time in ms, rounded up.
fn whole_ms(time: Duration) -> Vec<u8> {
    let ms = time.as_nanos().div_ceil(1_000_000);
    ms.to_string().into()
}

fn invalid(error: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// The error for an answer that is none of those that the scripts give.
fn odd(answer: impl fmt::Debug) -> io::Error {
    let answer: String = format!("{answer:?}").chars().take(500).collect();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the frontier gives an odd answer: {answer}"),
    )
}

fn items(value: Value) -> io::Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        value => Err(odd(value)),
    }
}

fn text(value: &Value) -> io::Result<&str> {
    match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).map_err(|_| odd(value)),
        Value::SimpleString(text) => Ok(text),
        value => Err(odd(value)),
    }
}

/// A count. Redis gives the numbers of scripts as numbers, and those that it keeps as text.
fn whole(value: &Value) -> io::Result<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| odd(value)),
        value => text(value)?.parse().map_err(|_| odd(value)),
    }
}
