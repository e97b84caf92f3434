//! The record of a page: what a crawler found, as bytes that every other crawler can read.

use std::io::{self, Read, Write};
use std::time::Duration;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};
use url::Url;

use crate::address::Address;
use crate::job::{Fetched, Found, Report};
use crate::outcome::Page;

/// Who fetched which address, and what came of it.
pub(super) struct Record {
    pub(super) process: u64,
    pub(super) address: Address,
    pub(super) report: Report,
}

/// Writes a record: JSON, compressed.
pub(super) fn write(process: u64, url: &str, report: &Report) -> io::Result<Vec<u8>> {
    let mut record = json!({
        "process": process,
        "url": url,
        "retries": report.retries,
        "answers": report.answers.iter().map(|(status, latency)| {
            json!([status, u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)])
        }).collect::<Vec<_>>(),
    });
    let (kind, value) = match &report.fetched {
        Fetched::Page(page, found) => ("page", page_value(page, found)),
        Fetched::Redirect(target) => ("redirect", json!(&*target.url)),
        Fetched::Failed(reason) => ("failed", json!(reason)),
        Fetched::Forbidden(reason) => ("forbidden", json!(reason)),
        Fetched::Dead(reason) => ("dead", json!(reason)),
        Fetched::Left => {
            return Err(io::Error::other(
                "no record of a page that wasn't asked for",
            ));
        }
    };
    record[kind] = value;
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut packed, &record)?;
    packed.flush()?;
    packed.finish()
}

fn page_value(page: &Page, found: &Found) -> Value {
    json!({
        "status": page.status,
        "media": page.media,
        "bytes": page.bytes,
        "links": page.links,
        "cut": page.cut,
        "found": found.links.iter().map(|link| &*link.url).collect::<Vec<_>>(),
        "out": found.links_out,
        "malformed": found.malformed,
    })
}

/// Reads a record. Scripts write theirs as plain JSON.
pub(super) fn read(bytes: &[u8]) -> io::Result<Record> {
    let record: Value = match bytes.first() {
        Some(b'{') => serde_json::from_slice(bytes)?,
        _ => {
            let mut text = Vec::new();
            ZlibDecoder::new(bytes).read_to_end(&mut text)?;
            serde_json::from_slice(&text)?
        }
    };
    parse(&record).ok_or_else(|| {
        let error = "a record in the frontier can't be read: was it written by another version?";
        io::Error::new(io::ErrorKind::InvalidData, error)
    })
}

fn parse(record: &Value) -> Option<Record> {
    let fetched = if let Some(page) = record.get("page") {
        let (page, found) = parse_page(page)?;
        Fetched::Page(page, found)
    } else if let Some(target) = record.get("redirect") {
        Fetched::Redirect(address(target)?)
    } else if let Some(reason) = record.get("failed") {
        Fetched::Failed(reason.as_str()?.to_owned())
    } else if let Some(reason) = record.get("dead") {
        Fetched::Dead(reason.as_str()?.to_owned())
    } else {
        Fetched::Forbidden(record.get("forbidden")?.as_str()?.to_owned())
    };
    let answers = record["answers"].as_array().into_iter().flatten();
    let answers = answers.map(|answer| {
        let status = u16::try_from(answer[0].as_u64()?).ok()?;
        Some((status, Duration::from_micros(answer[1].as_u64()?)))
    });
    Some(Record {
        process: record["process"].as_u64()?,
        address: address(&record["url"])?,
        report: Report {
            answers: answers.collect::<Option<_>>()?,
            retries: number(&record["retries"]).unwrap_or(0),
            ..Report::new(fetched)
        },
    })
}

fn parse_page(page: &Value) -> Option<(Page, Found)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let malformed = page["malformed"].as_array()?.iter();
    let found = Found {
        links: page["found"]
            .as_array()?
            .iter()
            .map(address)
            .collect::<Option<_>>()?,
        links_out: number(&page["out"])?,
        malformed: malformed
            .map(|pair| Some((text(&pair[0])?, text(&pair[1])?)))
            .collect::<Option<_>>()?,
    };
    let page = Page {
        status: u16::try_from(page["status"].as_u64()?).ok()?,
        media: text(&page["media"]),
        bytes: number(&page["bytes"])?,
        links: number(&page["links"])?,
        cut: text(&page["cut"]),
    };
    Some((page, found))
}

fn address(url: &Value) -> Option<Address> {
    Some(Address::new(Url::parse(url.as_str()?).ok()?))
}

fn number(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(report: &Report) -> Record {
        let bytes = write(7, "http://host/a/index.html", report).unwrap();
        let record = read(&bytes).unwrap();
        assert_eq!(record.process, 7);
        assert_eq!(&*record.address.page, "http://host/a/");
        assert_eq!(&*record.address.url, "http://host/a/index.html");
        record
    }

    #[test]
    fn a_record_says_what_was_reported() {
        let link = |url: &str| Address::new(Url::parse(url).unwrap());
        let page = Page {
            status: 203,
            media: Some("text/html".into()),
            bytes: 12,
            links: 3,
            cut: None,
        };
        let found = Found {
            links: vec![link("http://host/b/index.html"), link("http://host/c?d")],
            links_out: 1,
            malformed: vec![("http://[".into(), "no".into())],
        };
        let links = found.links.clone();
        let report = Report {
            answers: vec![(302, Duration::from_micros(5)), (203, Duration::ZERO)],
            retries: 2,
            ..Report::new(Fetched::Page(page.clone(), found))
        };
        let read = there_and_back(&report).report;
        assert_eq!((&read.answers, read.retries), (&report.answers, 2));
        let Fetched::Page(read, found) = read.fetched else {
            panic!("a page");
        };
        assert_eq!(read, page);
        assert_eq!((found.links, found.links_out), (links, 1));
        assert_eq!(found.malformed, [("http://[".to_owned(), "no".to_owned())]);

        let target = link("http://host/x/index.html");
        let read = there_and_back(&Report::new(Fetched::Redirect(target.clone())));
        assert!(matches!(read.report.fetched, Fetched::Redirect(read) if read == target));
        let read = there_and_back(&Report::new(Fetched::Failed("gone".into())));
        assert!(matches!(read.report.fetched, Fetched::Failed(reason) if reason == "gone"));
        let read = there_and_back(&Report::new(Fetched::Forbidden("so".into())));
        assert!(matches!(read.report.fetched, Fetched::Forbidden(reason) if reason == "so"));
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for bytes in [&b""[..], b"{}", b"{", b"x\x9c", b"plain"] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
