//! URLs: which may be asked, and where a redirect leads.
//!
//! Source: RFC 3986 §5.2 for relative references.

use ureq::http::Uri;

/// The URL in a text, if it is one that can be asked; otherwise why not.
pub(super) fn parse(url: &str) -> Result<Uri, String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("malformed URL: it begins with neither http:// nor https://".to_owned());
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(format!("unsupported scheme '{scheme}'"));
    }
    let without_host = || "malformed URL: it has no host".to_owned();
    if rest.is_empty() || rest.starts_with(['/', '?', '#']) {
        return Err(without_host());
    }
    let uri: Uri = url.parse().map_err(|error| format!("malformed URL: {error}"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let place = authority.rsplit('@').next().unwrap_or_default();
    match uri.host() {
        Some(host) if !host.is_empty() => match place.strip_prefix(host) {
            Some("") => Ok(uri),
            Some(_) if uri.port_u16().is_some() => Ok(uri),
            _ => Err("malformed URL: its port is no number".to_owned()),
        },
        _ => Err(without_host()),
    }
}

/// Host and port, as permissions name them.
pub(super) fn place(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let default = if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    format!("{host}:{}", uri.port_u16().unwrap_or(default))
}

/// Where `location` leads from `base`.
pub(super) fn follow(base: &Uri, location: &str) -> Result<Uri, String> {
    let scheme = base.scheme_str().unwrap_or("http");
    let authority = base.authority().map_or("", |authority| authority.as_str());
    let has_scheme = location
        .split_once(':')
        .is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains(['/', '?', '#']));
    if has_scheme {
        return parse(location);
    }
    if location.starts_with("//") {
        return parse(&format!("{scheme}:{location}"));
    }
    let location = location.split('#').next().unwrap_or_default();
    let (path, query) = match location.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (location, None),
    };
    let merged = if path.is_empty() {
        base.path().to_owned()
    } else if path.starts_with('/') {
        without_dots(path)
    } else {
        let directory = base.path().rfind('/').map_or("", |at| &base.path()[..=at]);
        without_dots(&format!("{directory}{path}"))
    };
    let query = match query {
        Some(query) => format!("?{query}"),
        None if path.is_empty() => base.query().map_or(String::new(), |query| format!("?{query}")),
        None => String::new(),
    };
    parse(&format!("{scheme}://{authority}{merged}{query}"))
}

/// A path without `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    parts.pop();
                }
                if is_last {
                    parts.push("");
                }
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{follow, parse, place};

    #[test]
    fn references_are_resolved_against_their_base() {
        let base = parse("http://h:81/a/b/c?q=1").unwrap();
        for (location, expected) in [
            ("https://other/x", "https://other/x"),
            ("//other/x?y", "http://other/x?y"),
            ("/x/../y", "http://h:81/y"),
            ("d", "http://h:81/a/b/d"),
            ("./d/.", "http://h:81/a/b/d/"),
            ("../d?x#f", "http://h:81/a/d?x"),
            ("../../../..", "http://h:81/"),
            ("?z", "http://h:81/a/b/c?z"),
            ("", "http://h:81/a/b/c?q=1"),
            ("#f", "http://h:81/a/b/c?q=1"),
            ("x:y/z", "unsupported"),
        ] {
            match follow(&base, location) {
                Ok(found) => assert_eq!(found.to_string(), expected, "{location}"),
                Err(_) => assert_eq!(expected, "unsupported", "{location}"),
            }
        }
    }

    #[test]
    fn only_urls_of_the_two_schemes_pass() {
        for bad in [
            "",
            "x",
            "/x",
            "http:/x",
            "http://",
            "http:///x",
            "ftp://h/",
            "file:///x",
            "http://h h/",
            "http://h:x/",
            "http://[::1/",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(place(&parse("HTTP://h/").unwrap()), "h:80");
        assert_eq!(place(&parse("https://h/").unwrap()), "h:443");
        assert_eq!(place(&parse("http://[::1]:8/").unwrap()), "[::1]:8");
    }
}
