//! An exchange: a request, its redirects, and the response, on any thread.
//!
//! Redirects are followed here and not by the client, so that each is asked for its permission, and a body that has
//! to be sent again is.

use std::io::{self, Read};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use aether_eval::{AccessCheck, Permission};
use encoding_rs::{Encoding, UTF_8};
#[cfg(feature = "web")]
use ureq::BodyReader;
use ureq::config::Config;
use ureq::http::{HeaderMap, HeaderValue, Method, Response, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, AsSendBody, Body, Error, Proxy};

use super::location;

/// Redirects that are followed, unless something else is said.
pub(super) const MAX_REDIRECTS: usize = 10;

/// Where an exchange may lead.
#[derive(Clone)]
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

/// Cookies that a client keeps: which a request carries, and what a response sets.
pub(super) trait Cookies: Send + Sync {
    /// The value of the header `Cookie`, if any are for this place.
    fn header(&self, target: &Uri) -> Option<String>;
    /// Takes what the response's headers set.
    fn store(&self, target: &Uri, headers: &HeaderMap);
}

/// What is asked, as plain data.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) target: Result<Uri, String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) redirects: usize,
    pub(super) user_agent: String,
    pub(super) reach: RedirectPolicy,
    pub(super) proxy: Option<Proxy>,
    pub(super) verify_tls: bool,
    /// Connections and cookies that are kept, if any are.
    pub(super) agent: Option<Agent>,
    pub(super) cookies: Option<std::sync::Arc<dyn Cookies>>,
}

/// What came back, before its body has been read.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    /// Where it came from, redirects followed.
    pub(super) target: Uri,
    timeout: Option<Duration>,
}

/// A body that is read piece by piece.
#[cfg(feature = "web")]
pub(super) struct Reader {
    reader: BodyReader<'static>,
    timeout: Option<Duration>,
}

/// Why there is no response.
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

/// The client for TLS, whose trust is loaded once. It keeps no connection: one that the server has closed meanwhile would fail the next request.
static AGENT: LazyLock<Agent> = LazyLock::new(|| config(None, true, 0).new_agent());

fn tls(verify: bool) -> TlsConfig {
    TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .disable_verification(!verify)
        .build()
}

fn config(user_agent: Option<&str>, verify_tls: bool, idle_connections: usize) -> Config {
    let builder = Agent::config_builder();
    let builder = match user_agent {
        Some(user_agent) => builder.user_agent(user_agent),
        None => builder,
    };
    builder
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(idle_connections)
        .allow_non_standard_methods(true)
        .proxy(None)
        .tls_config(tls(verify_tls))
        .build()
}

/// An agent that keeps so many connections, all of them asked for their permission. It keeps those of requests that say
/// the same of who asks and of certificates.
pub(super) fn agent(
    reach: &RedirectPolicy,
    user_agent: &str,
    verify_tls: bool,
    idle_connections: usize,
) -> Agent {
    let config = config(Some(user_agent), verify_tls, idle_connections);
    match reach {
        RedirectPolicy::Checked(check) => Agent::with_parts(
            config,
            DefaultConnector::default(),
            CheckedResolver {
                check: check.clone(),
                inner: DefaultResolver::default(),
            },
        ),
        _ => config.new_agent(),
    }
}

/// Whether a header may have this value.
fn is_visible(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || (32..127).contains(&byte))
}

/// Makes the exchange, up to the head of the response.
pub(super) fn run(mut request: Request) -> Result<Answer, Failure> {
    let mut target = std::mem::replace(&mut request.target, Err(String::new()))?;
    if !is_visible(&request.user_agent) {
        return Err("the user agent has characters that no header may have"
            .to_owned()
            .into());
    }
    let deadline = request
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    let agent = match (&request.agent, &request.reach) {
        (Some(agent), _) => agent.clone(),
        (None, RedirectPolicy::Checked(_)) => {
            agent(&request.reach, &request.user_agent, request.verify_tls, 0)
        }
        // What its pool remembers of connections goes with it.
        (None, _) if target.scheme_str() == Some("http") => config(None, true, 0).new_agent(),
        (None, _) => AGENT.clone(),
    };
    for _ in 0..=request.redirects {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(timed_out(request.timeout).into());
        }
        let explain = |error: &Error| match refusal(error) {
            Some(detail) => Failure::Refused(detail),
            None => Failure::Http(explain(error, request.timeout)),
        };
        let response = ask(&agent, &request, &target, left).map_err(|error| explain(&error))?;
        if let Some(cookies) = &request.cookies {
            cookies.store(&target, response.headers());
        }
        let status = response.status().as_u16();
        let location = response.headers().get(header::LOCATION);
        let follows = request.redirects > 0 && matches!(status, 301 | 302 | 303 | 307 | 308);
        let Some(location) = location.filter(|_| follows) else {
            return Ok(Answer {
                response,
                target,
                timeout: request.timeout,
            });
        };
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        let next = location::follow(&target, &location)?;
        let place = location::place(&next);
        request.reach.check(&place).map_err(Failure::Refused)?;
        if location::place(&target) != place || target.scheme() != next.scheme() {
            // What was meant for one server is not shown to another.
            request.headers.remove(header::AUTHORIZATION);
            request.headers.remove(header::COOKIE);
        }
        if !matches!(status, 307 | 308) {
            request.body = None;
            for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
                request.headers.remove(name);
            }
            if request.method != Method::HEAD {
                request.method = Method::GET;
            }
        }
        target = next;
    }
    Err(format!("more than {} redirects", request.redirects).into())
}

/// A single request. One over a connection that was kept, and that the server has closed meanwhile, is made again if
/// that cannot do harm.
fn ask(
    agent: &Agent,
    request: &Request,
    target: &Uri,
    timeout: Option<Duration>,
) -> Result<Response<Body>, Error> {
    let again = request.agent.is_some()
        && matches!(
            request.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        );
    match ask_once(agent, request, target, timeout) {
        Err(Error::Io(error))
            if again
                && matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                ) =>
        {
            ask_once(agent, request, target, timeout)
        }
        answer => answer,
    }
}

fn ask_once(
    agent: &Agent,
    request: &Request,
    target: &Uri,
    timeout: Option<Duration>,
) -> Result<Response<Body>, Error> {
    let mut builder = ureq::http::Request::builder()
        .method(request.method.clone())
        .uri(target.clone());
    if let Some(headers) = builder.headers_mut() {
        headers.clone_from(&request.headers);
        if let Some(cookies) = request
            .cookies
            .as_ref()
            .and_then(|cookies| cookies.header(target))
            && let Ok(value) = HeaderValue::from_str(&cookies)
            && !headers.contains_key(header::COOKIE)
        {
            headers.insert(header::COOKIE, value);
        }
    }
    match &request.body {
        Some(body) => send(agent, request, builder.body(body.as_slice())?, timeout),
        // Servers expect a length with these.
        None if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) => {
            send(agent, request, builder.body(&[] as &[u8])?, timeout)
        }
        None => send(agent, request, builder.body(())?, timeout),
    }
}

fn send<S: AsSendBody>(
    agent: &Agent,
    request: &Request,
    message: ureq::http::Request<S>,
    timeout: Option<Duration>,
) -> Result<Response<Body>, Error> {
    let mut config = agent
        .configure_request(message)
        .timeout_global(timeout)
        .timeout_connect(request.connect_timeout)
        .user_agent(&request.user_agent);
    if !request.verify_tls {
        config = config.tls_config(tls(false));
    }
    if let Some(proxy) = &request.proxy {
        config = config.proxy(Some(proxy.clone()));
    }
    agent.run(config.build())
}

impl Answer {
    /// The whole body, if it is not larger than it may be.
    pub(super) fn read(self, most: usize) -> Result<(Response<Vec<u8>>, Uri), Failure> {
        let timeout = self.timeout;
        let (parts, body) = self.response.into_parts();
        let mut bytes = Vec::new();
        let mut reader = body.into_reader().take((most as u64).saturating_add(1));
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| read_failure(&error, timeout))?;
        if bytes.len() > most {
            return Err(Failure::TooLarge);
        }
        Ok((Response::from_parts(parts, bytes), self.target))
    }

    /// The body as something that is read piece by piece.
    #[cfg(feature = "web")]
    pub(super) fn stream(self) -> (Response<Reader>, Uri) {
        let timeout = self.timeout;
        let response = self.response.map(|body| Reader {
            reader: body.into_reader(),
            timeout,
        });
        (response, self.target)
    }
}

#[cfg(feature = "web")]
impl Reader {
    /// The next bytes; none at the end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        loop {
            match self.reader.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_failure(&error, self.timeout)),
                Ok(count) => return Ok(count),
            }
        }
    }
}

/// What failed while a body was read.
fn read_failure(error: &io::Error, timeout: Option<Duration>) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => Failure::Http(explain(error, timeout)),
        None => Failure::Http(error.to_string()),
    }
}

/// The text of a body, by the charset that its headers declare; no error if it is too large.
pub(super) fn text(headers: &HeaderMap, bytes: &[u8], most: usize) -> Result<String, Failure> {
    let charset = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(charset)
        .unwrap_or(UTF_8);
    let (text, _) = charset.decode_with_bom_removal(bytes);
    if text.len() > most {
        return Err(Failure::TooLarge);
    }
    Ok(text.into_owned())
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
        Error::Timeout(ureq::Timeout::Connect) => "timed out while connecting".to_owned(),
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
