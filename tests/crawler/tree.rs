//! A tree of pages with everything in it that may confuse a crawler.

use std::fs;
use std::path::Path;

/// The links of the first page.
#[rustfmt::skip]
const HREFS: &[&str] = &[
    // One page, spelled in many ways.
    "a.html", "./a.html", "../site/a.html", "/site/a.html", "%61.html", "a.html#there",
    " a.html\n", "sub/../a.html", "../../../site/a.html", "x/%2e%2E/a.html", ".//a.html",
    "a.htm%6C", "a.html?#f",
    // Itself.
    "", "#top", "index.html", "./", ".", "?", "../site/index.html#end", "%69ndex.html",
    // Folders.
    "sub", "sub/", "sub/index.html", "sub/./index.html#y", "sub//deep.html", "empty", "empty/",
    // Other names.
    "b c.html", "b%20c.html", "&#252;.html", "%C3%BC.html", "a.html?q=1", "a.html?q=2",
    "q.html?a=1&amp;b=2", "plain.txt", "image.png", "latin1.html", "base.html", "loop1.html",
    "100%25.html", "script.html", "kinds.html",
    // Dead.
    "missing.html", "SUB/", "a.html/", "A.html", "sub/none/../../gone", "%2Fa.html", "sub?q",
    "plain.txt?x#y",
    // Not the crawl's.
    "/outside/", "/", "../", "/site", "mailto:a@b.c", "javascript:void(0)", "https://127.0.0.1/",
    "tel:1", "http://other.invalid/site/a.html", "//other.invalid/", "data:text/html,x",
    "ftp://x/",
];

/// Random enough, and the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Fills a folder that will stand at `authority`; the site is under `/site/`.
pub(crate) fn plant(root: &Path, authority: &str) {
    write(
        root,
        "outside/index.html",
        b"<a href=/site/>back</a> <a href=/outside/dead>",
    );
    by_hand(root, authority);
    by_dice(root);
}

fn write(root: &Path, name: &str, content: &[u8]) {
    let file = root.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

fn by_hand(root: &Path, authority: &str) {
    let mut index = String::from("<!doctype html><title>no <a href=title.html></title>\n");
    let mut link =
        |href: &str| index.push_str(&format!("<p><a class='x' href=\"{href}\">to</a>\n"));
    for href in HREFS {
        link(href);
    }
    link(&format!("http://{authority}/site/absolute.html"));
    link(&format!("HTTP://{authority}/site/absolute.html#x"));
    link(&format!("//{authority}/site/dead-absolute.html"));
    index.push_str("<!-- <a href=comment.html> --><script>'<a href=script-text.html>'</script>");
    index.push_str("<A\nHREF = unquoted.html>x</A><a name=no>x</a><a href>x</a>");
    write(
        root,
        "site/index.html",
        index.replace("&#252;", "\u{fc}").as_bytes(),
    );

    for name in [
        "a", "absolute", "unquoted", "b c", "\u{fc}", "q", "100%", "sub/deep", "\u{e9}",
    ] {
        let page = "<a href=''>self</a><a href='/site/'>home</a><a href=only-here.html>?</a>";
        write(root, &format!("site/{name}.html"), page.as_bytes());
    }
    write(
        root,
        "site/sub/index.html",
        b"<a href=deep.html><a href=../sub/><a href=..><a href=../sub>",
    );
    write(root, "site/empty/not-index.html", b"<a href=never>");
    write(root, "site/plain.txt", b"<a href=no-link-in-text.html>");
    write(
        root,
        "site/image.png",
        b"\x89PNG<a href=no-link-in-image.html>",
    );
    write(
        root,
        "site/latin1.html",
        b"<meta charset=iso-8859-1><a href=\xe9.html>e</a><a href=\xe8.html>",
    );
    write(
        root,
        "site/base.html",
        b"<p><a href='sub/deep.html'>no base here</a>",
    );
    write(
        root,
        "site/script.html",
        b"<style><a href=s.html></style><textarea><a href=t.html></textarea>",
    );
    write(
        root,
        "site/kinds.html",
        b"<area href=a.html><iframe src=framed.html><a href=in-frame.html></iframe><iframe src=no-frame.html></iframe>",
    );
    write(
        root,
        "site/framed.html",
        b"<map><area href=no-area.html></map>",
    );
    write(root, "site/loop1.html", b"<a href=loop2.html>");
    write(
        root,
        "site/loop2.html",
        b"<a href=loop1.html><a href=loop2.html>",
    );
}

/// Pages in folders within folders, each with links to some others, spelled somehow, some of them dead.
fn by_dice(root: &Path) {
    const PAGES: usize = 60;
    let mut dice = Dice(42);
    let name = |number: usize| match number % 5 {
        0 => format!("wood/d{}/index.html", number / 5),
        rest => format!("wood/d{}/p{rest}.html", number / 5),
    };
    for number in 0..PAGES {
        let mut page = String::new();
        for _ in 0..dice.throw(12) {
            // Beyond the last page, there is none.
            let target = name(dice.throw(PAGES + 8));
            let up = [
                "../../",
                "/site/",
                "../.././",
                "../../wood/../",
                "..//../../site/",
            ];
            let end = ["", "#part", "?", "#"];
            let (up, end) = (up[dice.throw(up.len())], end[dice.throw(end.len())]);
            let target = match dice.throw(3) {
                0 => target.replace("/index.html", ""),
                1 => target.replace("/index.html", "/"),
                _ => target.replace('p', "%70"),
            };
            page.push_str(&format!("<li><a href='{up}{target}{end}'>x</a>"));
        }
        write(root, &format!("site/{}", name(number)), page.as_bytes());
    }
    let all: String = (0..PAGES)
        .step_by(7)
        .map(|page| format!("<a href={}>", name(page)))
        .collect();
    write(root, "site/only-here.html", all.as_bytes());
}
