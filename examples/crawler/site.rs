//! The site that the crawler serves itself if it is given none: a folder, or generated pages.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use heist::fs::File;
use heist::hyper::{HeistIo, HeistTimer};
use heist::io::{AsyncRead, ReadBuf};
use heist::net::{TcpListener, TcpStream};
use heist::task::{JoinHandle, spawn_blocking};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

/// How many pages a generated site has.
const MADE_PAGES: usize = 400;

/// How much of a file is in memory at once, for each request.
const PIECE: usize = 64 * 1024;

/// What there is to serve.
#[derive(Debug)]
pub(crate) enum Site {
    /// The files of a folder. A path to a folder means its `index.html`.
    Folder(PathBuf),
    /// Pages by their paths.
    Made(HashMap<String, Bytes>),
}

/// A site that is being served, until this is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    address: SocketAddr,
    acceptor: JoinHandle<()>,
}

/// What a path leads to.
enum Found {
    Page(Bytes),
    File(FileBody, &'static str),
    Moved(String),
    Failed(StatusCode),
}

impl Site {
    /// The documentation of the installed Rust toolchain, if it can be found.
    pub(crate) fn rust_docs() -> Option<Site> {
        let rustc = Command::new("rustc").args(["--print", "sysroot"]).output();
        let sysroot = String::from_utf8(rustc.ok()?.stdout).ok()?;
        let docs = Path::new(sysroot.trim_end()).join("share/doc/rust/html");
        let there = docs.join("book/index.html").is_file();
        there.then_some(Site::Folder(docs))
    }

    /// A book of pages that link to each other, with one dead link.
    pub(crate) fn made() -> Site {
        let mut pages = HashMap::new();
        for number in 0..MADE_PAGES {
            pages.insert(made_path(number), made_page(number).into());
        }
        Site::Made(pages)
    }

    /// Serves the site on a free port of loopback.
    pub(crate) async fn serve(self) -> io::Result<Served> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let acceptor = heist::spawn(accept(listener, Arc::new(self)));
        Ok(Served { address, acceptor })
    }

    async fn find(self: Arc<Self>, path: String) -> Found {
        match &*self {
            Site::Made(pages) => match pages.get(&path) {
                Some(page) => Found::Page(page.clone()),
                None => Found::Failed(StatusCode::NOT_FOUND),
            },
            Site::Folder(folder) => {
                if path.contains("//") {
                    return Found::Moved(without_empty_steps(&path));
                }
                let Some(file) = inside(folder, &path) else {
                    return Found::Failed(StatusCode::NOT_FOUND);
                };
                // Opening a file may block, so it runs on the blocking pool.
                let open = spawn_blocking(move || open(&file, &path));
                let failed = Found::Failed(StatusCode::INTERNAL_SERVER_ERROR);
                open.await.unwrap_or(failed)
            }
        }
    }
}

impl Served {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                heist::spawn(converse(stream, site.clone()));
            }
            // Most likely there are no descriptors left. Some will become free.
            Err(_) => heist::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn converse(stream: TcpStream, site: Arc<Site>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, site.clone()));
    let conversation = http1::Builder::new()
        .timer(HeistTimer::new())
        .serve_connection(HeistIo::new(stream), service);
    // If the other side went away, that does not concern us.
    let _ = conversation.await;
}

async fn answer(
    request: Request<Incoming>,
    site: Arc<Site>,
) -> Result<Response<Either<Full<Bytes>, FileBody>>, Infallible> {
    let mut response = Response::new(Either::Left(Full::default()));
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return Ok(response);
    }
    // For HEAD, hyper sends only the head.
    match site.find(request.uri().path().to_owned()).await {
        Found::Page(page) => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            *response.body_mut() = Either::Left(Full::new(page));
        }
        Found::File(body, kind) => {
            let kind = HeaderValue::from_static(kind);
            response.headers_mut().insert(CONTENT_TYPE, kind);
            // hyper says no length for an empty body and HEAD.
            let length = HeaderValue::from(body.left);
            response.headers_mut().insert(CONTENT_LENGTH, length);
            *response.body_mut() = Either::Right(body);
        }
        Found::Moved(path) => match HeaderValue::try_from(path) {
            Ok(path) => {
                *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
                response.headers_mut().insert(LOCATION, path);
            }
            Err(_) => *response.status_mut() = StatusCode::NOT_FOUND,
        },
        Found::Failed(status) => *response.status_mut() = status,
    }
    Ok(response)
}

/// The file that a path names, if it is inside the folder.
fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut file = folder.to_owned();
    for step in path.split('/') {
        let step = percent_decode_str(step).decode_utf8().ok()?;
        // An escaped slash separates nothing. A backslash or a colon would leave the folder on Windows.
        if step == "." || step == ".." || step.contains(['/', '\\', '\0', ':']) {
            return None;
        }
        file.push(&*step);
    }
    Some(file)
}

fn without_empty_steps(path: &str) -> String {
    let mut clean = String::with_capacity(path.len());
    for step in path.split('/').filter(|step| !step.is_empty()) {
        clean.push('/');
        clean.push_str(step);
    }
    if path.ends_with('/') {
        clean.push('/');
    }
    clean
}

fn open(file: &Path, path: &str) -> Found {
    match find(file, path) {
        Ok(found) => found,
        Err(error) => Found::Failed(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StatusCode::NOT_FOUND,
            io::ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }),
    }
}

fn find(file: &Path, path: &str) -> io::Result<Found> {
    let found = std::fs::metadata(file)?;
    let file = match (found.is_dir(), path.ends_with('/')) {
        (true, true) => file.join("index.html"),
        (true, false) => return Ok(Found::Moved(format!("{path}/"))),
        (false, true) => return Ok(Found::Failed(StatusCode::NOT_FOUND)),
        (false, false) => file.to_owned(),
    };
    // A pipe or a device may never end, and to open one may block for ever.
    if !std::fs::metadata(&file)?.is_file() {
        return Ok(Found::Failed(StatusCode::FORBIDDEN));
    }
    let opened = std::fs::File::open(&file)?;
    let length = opened.metadata()?.len();
    let body = FileBody::new(File::from_std(opened), length);
    Ok(Found::File(body, content_type(&file)))
}

/// The first `left` bytes of a file, which are read while they are sent.
struct FileBody {
    file: File,
    left: u64,
    piece: Vec<u8>,
}

impl FileBody {
    fn new(file: File, left: u64) -> FileBody {
        FileBody {
            file,
            left,
            piece: Vec::new(),
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let most = usize::try_from(this.left).map_or(PIECE, |left| left.min(PIECE));
        this.piece.resize(most, 0);
        let mut room = ReadBuf::new(&mut this.piece);
        ready!(Pin::new(&mut this.file).poll_read(cx, &mut room))?;
        let read = room.filled().len();
        if read == 0 {
            // It was cut meanwhile. The head has promised more, so the connection must end.
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        this.left -= read as u64;
        this.piece.truncate(read);
        let piece = std::mem::take(&mut this.piece);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// HTML has no charset here: the page itself says it.
fn content_type(file: &Path) -> &'static str {
    let extension = file.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("html" | "htm") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("md" | "txt" | "rs" | "toml") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn made_path(number: usize) -> String {
    match number {
        0 => "/book/".into(),
        _ => format!("/book/page-{number}.html"),
    }
}

fn made_page(number: usize) -> String {
    let mut page = format!("<!doctype html><meta charset=utf-8><title>Page {number}</title>\n");
    let next = (number + 1) % MADE_PAGES;
    let others = [
        next,
        number * 7 % MADE_PAGES,
        number * number % MADE_PAGES,
        0,
    ];
    for paragraph in 0..40 {
        let to = made_path(others[paragraph % others.len()]);
        // Writing to a String can't fail.
        let _ = writeln!(
            page,
            "<p id=p{paragraph}>Paragraph {paragraph} of page {number} says what <a href=\"{to}#p{paragraph}\">another</a> \
             says too, &amp; says it in so many words that there is <em>something</em> to parse.</p>"
        );
    }
    if number == MADE_PAGES - 1 {
        page.push_str("<p>The sequel is <a href=sequel.html>not written yet</a>.</p>\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folder() {
        let folder = Path::new("/site");
        let file = Path::new("/site/a/b c.html");
        assert_eq!(inside(folder, "/a/b%20c.html").as_deref(), Some(file));
        for name in [
            "/../x",
            "/a/%2e%2E/../x",
            "/.",
            "/..%5Cx",
            "/c:/x",
            "/a%00",
            "/..%2Fx",
            "/%ff",
        ] {
            assert_eq!(inside(folder, name), None, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_files_are_served() {
        let null = open(Path::new("/dev/null"), "/null");
        assert!(matches!(null, Found::Failed(StatusCode::FORBIDDEN)));
    }

    /// Asks a server for a path in HTTP/1.0, and returns all that it sends.
    fn ask(address: SocketAddr, method: &str, path: &str) -> (String, Vec<u8>) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .unwrap()
            + 4;
        let body = answer.split_off(end);
        (String::from_utf8(answer).unwrap(), body)
    }

    #[test]
    fn files_of_any_length_are_served_whole() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = heist::runtime::Runtime::new().unwrap();
        let site = Site::Folder(folder.path().to_owned());
        let served = runtime.block_on(site.serve()).unwrap();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3_000_001] {
            let text: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            std::fs::write(folder.path().join("file.txt"), &text).unwrap();
            for method in ["GET", "HEAD"] {
                let (head, body) = ask(served.address(), method, "/file.txt");
                assert!(
                    head.contains(&format!("content-length: {length}\r\n")),
                    "{head}"
                );
                let expected = if method == "GET" { &*text } else { b"" };
                assert!(body == expected, "{method} {length}");
            }
        }
    }

    /// A longer file ends where it ended before, and a shorter one is an error: its length was sent already.
    #[heist::test]
    async fn a_file_that_changes_while_it_is_sent_keeps_its_length_or_fails() {
        use http_body_util::BodyExt;

        let file = tempfile::NamedTempFile::new().unwrap();
        for (length, came) in [(10, Some(5)), (5, Some(5)), (3, None)] {
            file.as_file().set_len(length).unwrap();
            let body = FileBody::new(File::from_std(file.reopen().unwrap()), 5);
            let all = body.collect().await.map(|all| all.to_bytes().len());
            assert_eq!(all.ok(), came);
        }
    }

    #[test]
    fn empty_steps_are_left_out() {
        assert_eq!(without_empty_steps("//a///b//"), "/a/b/");
        assert_eq!(without_empty_steps("//"), "//".replace("//", "/"));
        assert_eq!(without_empty_steps("/a//b"), "/a/b");
    }
}
