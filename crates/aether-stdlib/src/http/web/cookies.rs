//! The cookies of a client.
//!
//! A cookie is kept for its host, or for its domain and what is below it, and for a path. A domain that is a whole
//! public suffix of one part, such as `com`, is refused; lists of longer ones are not consulted. Their number is bounded.
//!
//! Source: RFC 6265 §5.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Uri, header};

use super::super::exchange::Cookies;

/// Cookies that a client keeps; the oldest goes first.
const MOST: usize = 300;
/// The longest cookie, name and value.
const LONGEST: usize = 4096;

struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Whether it is for the domain alone, not for what is below it.
    is_host_only: bool,
    path: String,
    is_secure: bool,
    expires: Option<Instant>,
}

/// Cookies by the order in which they came.
#[derive(Default)]
pub(super) struct Jar(Mutex<Vec<Cookie>>);

impl Cookies for Jar {
    fn header(&self, target: &Uri) -> Option<String> {
        let host = target.host()?.to_ascii_lowercase();
        let is_secure = target.scheme_str() == Some("https");
        let now = Instant::now();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|cookie| cookie.expires.is_none_or(|expires| expires > now));
        let mut found: Vec<&Cookie> = kept
            .iter()
            .filter(|cookie| {
                let is_host =
                    cookie.domain == host || !cookie.is_host_only && is_below(&host, &cookie.domain);
                is_host && is_path_below(target.path(), &cookie.path) && (is_secure || !cookie.is_secure)
            })
            .collect();
        // Longer paths first; the sort is stable.
        found.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = found
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn store(&self, target: &Uri, headers: &HeaderMap) {
        let values = headers.get_all(header::SET_COOKIE);
        for text in values.iter().filter_map(|value| value.to_str().ok()) {
            if let Some(cookie) = parse(text, target) {
                self.keep(cookie);
            }
        }
    }
}

impl Jar {
    fn keep(&self, cookie: Cookie) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| {
            (&other.name, &other.domain, &other.path) != (&cookie.name, &cookie.domain, &cookie.path)
        });
        if cookie.expires.is_some_and(|expires| expires <= Instant::now()) {
            return;
        }
        if kept.len() == MOST {
            kept.remove(0);
        }
        kept.push(cookie);
    }
}

/// Whether a host is below a domain.
fn is_below(host: &str, domain: &str) -> bool {
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    is_name && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn is_path_below(path: &str, of: &str) -> bool {
    path.strip_prefix(of)
        .is_some_and(|rest| rest.is_empty() || of.ends_with('/') || rest.starts_with('/'))
}

/// The directory of a path.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if at > 0 => &path[..at],
        _ => "/",
    }
}

/// The cookie in a header, if the server may set it.
fn parse(text: &str, target: &Uri) -> Option<Cookie> {
    let host = target.host()?.to_ascii_lowercase();
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || name.len() + value.len() > LONGEST {
        return None;
    }
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain: host.clone(),
        is_host_only: true,
        path: default_path(target.path()).to_owned(),
        is_secure: false,
        expires: None,
    };
    let mut max_age = None;
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match attribute.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                if domain != host {
                    if !domain.contains('.') || !is_below(&host, &domain) {
                        return None;
                    }
                    cookie.domain = domain;
                }
                cookie.is_host_only = false;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.is_secure = true,
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => {
                // A moment that has passed deletes the cookie; one to come is a cookie of this session.
                let is_past = super::files::http_date(value).is_some_and(|at| at <= super::files::now());
                if is_past {
                    cookie.expires = Some(Instant::now());
                }
            }
            _ => {}
        }
    }
    if let Some(seconds) = max_age {
        let now = Instant::now();
        cookie.expires = match u64::try_from(seconds) {
            Ok(seconds) => now.checked_add(Duration::from_secs(seconds)),
            Err(_) => Some(now),
        };
    }
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ureq::http::HeaderValue;

    fn jar(at: &str, cookies: &[&str]) -> Jar {
        let jar = Jar::default();
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::SET_COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        jar.store(&at.parse().unwrap(), &headers);
        jar
    }

    fn sent(jar: &Jar, to: &str) -> String {
        jar.header(&to.parse().unwrap()).unwrap_or_default()
    }

    #[test]
    fn cookies_go_where_they_came_from() {
        let jar = jar(
            "http://a.example.org/x/y",
            &[
                "a=1",
                "b=2; Path=/",
                "c=3; Domain=example.org; Path=/",
                "d=4; Secure; Path=/",
            ],
        );
        assert_eq!(sent(&jar, "http://a.example.org/x/z"), "a=1; b=2; c=3");
        assert_eq!(sent(&jar, "https://a.example.org/"), "b=2; c=3; d=4");
        assert_eq!(sent(&jar, "http://b.example.org/x/"), "c=3");
        assert_eq!(sent(&jar, "http://badexample.org/"), "");
        assert_eq!(sent(&jar, "http://a.example.org/xy"), "b=2; c=3");
    }

    #[test]
    fn servers_set_cookies_for_themselves_only() {
        let jar = jar(
            "http://a.example.org/",
            &[
                "a=1; Domain=other.org",
                "b=2; Domain=org",
                "c=3; Domain=b.example.org",
            ],
        );
        for place in [
            "http://other.org/",
            "http://x.org/",
            "http://b.example.org/",
            "http://a.example.org/",
        ] {
            assert_eq!(sent(&jar, place), "", "{place}");
        }
    }

    #[test]
    fn cookies_are_replaced_and_deleted() {
        let jar = jar(
            "http://h/",
            &[
                "a=1",
                "b=2",
                "a=3",
                "b=; Max-Age=0",
                "c=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            ],
        );
        assert_eq!(sent(&jar, "http://h/"), "a=3");
    }
}
