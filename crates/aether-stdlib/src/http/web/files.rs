//! Files that a router serves: which file a path names, and what is sent of it.
//!
//! A file is served only if it lies in the directory when every link has been followed. Names that begin with a dot are
//! not served, except what is in `.well-known`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aether_eval::{Ctx, FileInfo, Permission};
use aether_value::{Raise, Value};
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Method, StatusCode};

use super::body::FilePart;
use super::request::{Request, decoded};
use super::response::Reply;

/// A directory below a prefix of paths.
pub(super) struct Directory {
    /// Without a slash at its end.
    prefix: String,
    path: String,
}

/// The file that a path names.
pub(super) struct Wanted {
    directory: String,
    /// Within it.
    name: String,
}

/// Seconds since the epoch.
pub(super) fn now() -> i64 {
    seconds(SystemTime::now())
}

fn seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The moment in a date of a header, in seconds since the epoch.
pub(super) fn http_date(text: &str) -> Option<i64> {
    httpdate::parse_http_date(text).ok().map(seconds)
}

impl Directory {
    /// A directory that there is.
    ///
    /// # Errors
    /// There is none, or the prefix is no path.
    pub(super) fn new(ctx: &mut Ctx<'_>, prefix: &str, path: &str) -> Result<Self, Raise> {
        if !prefix.starts_with('/') {
            let detail = format!(
                "http.router: prefix '{}' must begin with /",
                prefix.escape_debug()
            );
            return Err(Raise::operation(&detail));
        }
        let failed = |error: std::io::Error| Raise::io("http.router", path, &error.to_string());
        let host = ctx.host();
        let real = host.resolve_path(path).map_err(failed)?;
        if !host.is_dir(&real).map_err(failed)? {
            return Err(Raise::io("http.router", path, "it is no directory"));
        }
        Ok(Self {
            prefix: prefix.trim_end_matches('/').to_owned(),
            path: real,
        })
    }

    /// The file that a path names, as it was sent, if it is below the prefix.
    pub(super) fn file(&self, path: &str) -> Option<Wanted> {
        let rest = path.strip_prefix(&self.prefix)?;
        let mut name = String::new();
        if !rest.is_empty() {
            for segment in rest.strip_prefix('/')?.split('/') {
                let segment = decoded(segment, false);
                let is_hidden = segment.starts_with('.') && segment != ".well-known";
                if is_hidden || segment.contains(['/', '\\', '\0']) {
                    return None;
                }
                if !name.is_empty() {
                    name.push('/');
                }
                name.push_str(&segment);
            }
        }
        Some(Wanted {
            directory: self.path.clone(),
            name,
        })
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.prefix.len() + self.path.len()
    }
}

/// What a file's name says of its content.
fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "log" => "text/plain; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "xml" => "application/xml",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "wasm" => "application/wasm",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        _ => "application/octet-stream",
    }
}

/// Whether the peer has the file as it is.
fn is_known(headers: &HeaderMap, tag: &str, modified: Option<i64>) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(known) = text(header::IF_NONE_MATCH) {
        return known
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|known| known == "*" || known == tag);
    }
    let since = text(header::IF_MODIFIED_SINCE).and_then(http_date);
    since
        .zip(modified)
        .is_some_and(|(since, modified)| modified <= since)
}

/// Which bytes are asked for: first and last; nothing if all are, an error if there are none such.
fn range(headers: &HeaderMap, tag: &str, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Ok(None);
    };
    if text(header::IF_RANGE).is_some_and(|known| known != tag) {
        return Ok(None);
    }
    // Several ranges at once, and what is no range, get the whole.
    let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else {
        return Ok(None);
    };
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let Ok(count) = last.parse::<u64>() else {
            return Ok(None);
        };
        return if count == 0 || size == 0 {
            Err(())
        } else {
            Ok(Some((size.saturating_sub(count), size - 1)))
        };
    }
    let Ok(first) = first.parse::<u64>() else {
        return Ok(None);
    };
    let last = match last {
        "" => u64::MAX,
        last => match last.parse::<u64>() {
            Ok(last) if last >= first => last,
            _ => return Ok(None),
        },
    };
    if first >= size {
        return Err(());
    }
    Ok(Some((first, last.min(size - 1))))
}

/// A file that may be served: its path behind every link, and what is known of it.
fn locate(ctx: &mut Ctx<'_>, wanted: &Wanted) -> Result<Option<(String, FileInfo)>, StatusCode> {
    let host = ctx.host();
    let mut path = format!("{}/{}", wanted.directory, wanted.name);
    for _ in 0..2 {
        let Ok(real) = host.resolve_path(&path) else {
            return Ok(None);
        };
        let root = wanted.directory.trim_end_matches('/');
        let is_inside = real
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !is_inside {
            return Ok(None);
        }
        if host.permit(Permission::Read, &real).is_err() {
            return Err(StatusCode::FORBIDDEN);
        }
        match host.file_info(&real) {
            Ok(info) if info.is_file => return Ok(Some((real, info))),
            Ok(info) if info.is_dir => path = format!("{real}/index.html"),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// What is answered with a file; nothing if there is none.
pub(super) fn reply(ctx: &mut Ctx<'_>, wanted: &Wanted, request: &Request) -> Result<Option<Value>, Raise> {
    ctx.tick(1 + wanted.name.len() / 16)?;
    let (path, info) = match locate(ctx, wanted) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(None),
        Err(status) => return Reply::plain(ctx, status, "Forbidden\n").map(Some),
    };
    let method = request.method_of();
    if method != Method::GET && method != Method::HEAD {
        let reply = Reply::plain(ctx, StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n")?;
        Reply::set_header(ctx, &reply, "allow", "GET, HEAD")?;
        return Ok(Some(reply));
    }
    if path.ends_with("/index.html")
        && !wanted.name.ends_with("index.html")
        && !request.raw_path().ends_with('/')
    {
        // References within the page begin at its directory.
        let reply = Reply::plain(ctx, StatusCode::MOVED_PERMANENTLY, "Moved Permanently\n")?;
        // Two slashes at the beginning would name another host.
        let location = format!("/{}/", request.raw_path().trim_start_matches('/'));
        Reply::set_header(ctx, &reply, "location", &location)?;
        return Ok(Some(reply));
    }
    let modified = info.modified.map(|nanos| nanos.div_euclid(1_000_000_000));
    let tag = format!("\"{:x}-{:x}\"", info.modified.unwrap_or(0), info.size);
    let mut headers = vec![(header::ETAG, tag.clone())];
    if let Some(seconds) = modified.and_then(|seconds| u64::try_from(seconds).ok()) {
        let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        headers.extend(at.map(|at| (header::LAST_MODIFIED, httpdate::fmt_http_date(at))));
    }
    let asked = &request.parts().headers;
    if is_known(asked, &tag, modified) {
        return Reply::file(ctx, StatusCode::NOT_MODIFIED, &headers, None).map(Some);
    }
    headers.push((header::CONTENT_TYPE, content_type(&path).to_owned()));
    headers.push((header::ACCEPT_RANGES, "bytes".to_owned()));
    // Browsers do not guess.
    headers.push((header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()));
    let (status, first, length) = match range(asked, &tag, info.size) {
        Ok(None) => (StatusCode::OK, 0, info.size),
        Ok(Some((first, last))) => {
            let range = format!("bytes {first}-{last}/{}", info.size);
            headers.push((header::CONTENT_RANGE, range));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Err(()) => {
            let headers = [(header::CONTENT_RANGE, format!("bytes */{}", info.size))];
            return Reply::file(ctx, StatusCode::RANGE_NOT_SATISFIABLE, &headers, None).map(Some);
        }
    };
    let Ok(file) = ctx.host().open_file(&path) else {
        return Ok(None);
    };
    let part = FilePart::new(file.reader, first, length);
    Reply::file(ctx, status, &headers, Some(part)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn paths_do_not_leave_the_directory() {
        let directory = Directory {
            prefix: "/files".to_owned(),
            path: "/srv".to_owned(),
        };
        let name = |path: &str| directory.file(path).map(|wanted| wanted.name);
        assert_eq!(name("/files/a/b.txt").as_deref(), Some("a/b.txt"));
        assert_eq!(name("/files").as_deref(), Some(""));
        assert_eq!(name("/files/%C3%A4").as_deref(), Some("ä"));
        assert_eq!(name("/files/.well-known/x").as_deref(), Some(".well-known/x"));
        for bad in [
            "/filesx",
            "/files/../x",
            "/files/%2e%2e/x",
            "/files/..%2fx",
            "/files/%5cx",
            "/files/a%00",
            "/files/.git/config",
            "/other",
        ] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    fn asked(text: &str) -> Result<Option<(u64, u64)>, ()> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(text).unwrap());
        range(&headers, "\"t\"", 10)
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(asked("bytes=0-3"), Ok(Some((0, 3))));
        assert_eq!(asked("bytes=4-"), Ok(Some((4, 9))));
        assert_eq!(asked("bytes=-3"), Ok(Some((7, 9))));
        assert_eq!(asked("bytes=-30"), Ok(Some((0, 9))));
        assert_eq!(asked("bytes=8-20"), Ok(Some((8, 9))));
        assert_eq!(asked("bytes=10-"), Err(()));
        assert_eq!(asked("bytes=-0"), Err(()));
        for whole in ["bytes=3-1", "bytes=1-2,4-5", "lines=1-2", "bytes=x-y", "bytes="] {
            assert_eq!(asked(whole), Ok(None), "{whole}");
        }
    }
}
