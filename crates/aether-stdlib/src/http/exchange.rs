//! An exchange: a request, its redirects, and the text of the response.
//!
//! Redirects are followed here and not by the client, so that each is asked for its permission, and a body that has
//! to be sent again is.

use std::io::{self, Read};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use aether_eval::{AccessCheck, Permission};
use encoding_rs::{Encoding, UTF_8};
use ureq::config::Config;
use ureq::http::{Response, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Error};

use super::location;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 10;

/// Where an exchange may lead.
pub(super) enum RedirectPolicy {
    /// Anywhere.
    Everywhere,
    /// To this host and port alone.
    Only(String),
    /// Where this allows to go, the addresses of names included.
    Checked(AccessCheck),
}

impl RedirectPolicy {
    /// Whether a redirect may lead to a place.
    fn check(&self, place: &str) -> Result<(), String> {
        match self {
            Self::Everywhere => Ok(()),
            Self::Only(only) if only == place => Ok(()),
            Self::Only(_) => Err(format!("net access to \"{place}\"")),
            Self::Checked(check) => check(Permission::Net, place, None),
        }
    }
}

/// An address that may not be reached, on its way through the client.
#[derive(Debug)]
struct Refusal(String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Asks for each address of a name whether it may be reached.
struct CheckedResolver {
    check: AccessCheck,
    inner: DefaultResolver,
}

impl std::fmt::Debug for CheckedResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckedResolver").finish_non_exhaustive()
    }
}

impl Resolver for CheckedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let place = location::place(uri);
        for address in &found {
            (self.check)(Permission::Net, &place, Some(&address.to_string())).map_err(|detail| {
                Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, Refusal(detail)))
            })?;
        }
        Ok(found)
    }
}

/// What is asked, as plain data.
pub(super) struct Request {
    pub(super) target: Result<Uri, String>,
    /// Of a `POST`.
    pub(super) body: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) user_agent: String,
    pub(super) reach: RedirectPolicy,
    /// Bytes that the response may have.
    pub(super) most: usize,
}

/// Why there is no text.
pub(super) enum Failure {
    /// The response is larger than it may be.
    TooLarge,
    /// A redirect leads to where the host does not permit to go.
    Refused(String),
    /// Anything else.
    Http(String),
}

impl From<String> for Failure {
    fn from(detail: String) -> Self {
        Self::Http(detail)
    }
}

/// The client. It keeps no connection: one that the server has closed meanwhile would fail the next request.
static AGENT: LazyLock<Agent> = LazyLock::new(|| config().new_agent());

fn config() -> Config {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .proxy(None)
        .tls_config(tls)
        .build()
}

/// Makes the exchange.
pub(super) fn run(request: Request) -> Result<String, Failure> {
    let mut target = request.target?;
    let visible = |byte: u8| byte == b'\t' || (32..127).contains(&byte);
    if !request.user_agent.bytes().all(visible) {
        return Err("the user agent has characters that no header may have"
            .to_owned()
            .into());
    }
    let deadline = request
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    let checked = match &request.reach {
        RedirectPolicy::Checked(check) => Some(Agent::with_parts(
            config(),
            DefaultConnector::default(),
            CheckedResolver {
                check: check.clone(),
                inner: DefaultResolver::default(),
            },
        )),
        _ => None,
    };
    let agent = checked.as_ref().unwrap_or(&AGENT);
    let mut body = request.body;
    for _ in 0..=MAX_REDIRECTS {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(timed_out(request.timeout).into());
        }
        let explain = |error: &Error| match refusal(error) {
            Some(detail) => Failure::Refused(detail),
            None => Failure::Http(explain(error, request.timeout)),
        };
        let response = ask(agent, &target, body.as_deref(), &request.user_agent, left);
        let response = response.map_err(|error| explain(&error))?;
        let status = response.status().as_u16();
        let location = response.headers().get(header::LOCATION);
        let Some(location) = location.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) else {
            return read(response, request.most).map_err(|error| match error {
                Some(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                    Some(error) => explain(error),
                    None => Failure::Http(error.to_string()),
                },
                None => Failure::TooLarge,
            });
        };
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        target = location::follow(&target, &location)?;
        let place = location::place(&target);
        request.reach.check(&place).map_err(Failure::Refused)?;
        if !matches!(status, 307 | 308) {
            body = None;
        }
    }
    Err(format!("more than {MAX_REDIRECTS} redirects").into())
}

/// A single request.
fn ask(
    agent: &Agent,
    target: &Uri,
    body: Option<&[u8]>,
    user_agent: &str,
    timeout: Option<Duration>,
) -> Result<Response<Body>, Error> {
    match body {
        None => agent
            .get(target)
            .config()
            .timeout_global(timeout)
            .user_agent(user_agent)
            .build()
            .call(),
        Some(body) => agent
            .post(target)
            .config()
            .timeout_global(timeout)
            .user_agent(user_agent)
            .build()
            .send(body),
    }
}

/// The text of a response; no error if it is too large.
fn read(response: Response<Body>, most: usize) -> Result<String, Option<io::Error>> {
    let charset = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(charset)
        .unwrap_or(UTF_8);
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_reader().take(most as u64 + 1);
    reader.read_to_end(&mut bytes).map_err(Some)?;
    if bytes.len() > most {
        return Err(None);
    }
    let (text, _) = charset.decode_with_bom_removal(&bytes);
    let text = text.into_owned();
    if text.len() > most {
        return Err(None);
    }
    Ok(text)
}

/// The charset in a content type, if it is a known one.
fn charset(content_type: &str) -> Option<&'static Encoding> {
    let parameter = |part: &str| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_owned())
    };
    let label = content_type.split(';').skip(1).find_map(parameter)?;
    Encoding::for_label(label.as_bytes())
}

/// Why an address may not be reached, if that is the error.
fn refusal(error: &Error) -> Option<String> {
    let Error::Io(error) = error else { return None };
    let refusal = error.get_ref()?.downcast_ref::<Refusal>()?;
    Some(refusal.0.clone())
}

fn timed_out(timeout: Option<Duration>) -> String {
    match timeout {
        Some(timeout) => format!("timed out after {}s", timeout.as_secs_f64()),
        None => "timed out".to_owned(),
    }
}

/// What went wrong, in words.
fn explain(error: &Error, timeout: Option<Duration>) -> String {
    match error {
        Error::Timeout(_) => timed_out(timeout),
        Error::Io(error) => match error.get_ref() {
            // A TLS error arrives as one of reading.
            Some(inner) => {
                let cause = inner
                    .source()
                    .map(|cause| format!(": {cause}"))
                    .unwrap_or_default();
                format!("{inner}{cause}")
            }
            None => error.to_string(),
        },
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::charset;

    #[test]
    fn charsets_are_found_in_content_types() {
        let name = |text: &str| charset(text).map(encoding_rs::Encoding::name);
        assert_eq!(name("text/html; charset=ISO-8859-1"), Some("windows-1252"));
        assert_eq!(name("text/html;foo=bar; Charset = \"utf-8\" "), Some("UTF-8"));
        assert_eq!(name("text/html; charset=klingon"), None);
        assert_eq!(name("charset=utf-8"), None);
    }
}
