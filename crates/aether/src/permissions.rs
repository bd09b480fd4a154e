//! What scripts may reach: rules for each capability, with paths, hosts and names.
//!
//! Invariants
//! - Denying wins over allowing, however general the one and special the other.
//! - Paths are compared after every link and `..` in them has been resolved; a directory covers what is below it.
//! - A host's name that is allowed covers the addresses that it leads to, unless one of them is denied.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use aether_eval::Permission;

/// Links that are followed before a path is taken for a circle.
const MAX_LINKS: usize = 40;

/// What is said of one capability.
#[derive(Clone, Debug, Default)]
enum Grant {
    /// Nothing.
    #[default]
    Nothing,
    /// What these rules match.
    Some(Vec<Rule>),
    /// Everything.
    Everything,
}

#[derive(Clone, Debug)]
enum Rule {
    /// A file, or a directory with all below it, resolved.
    Path(PathBuf),
    /// A host, with one port or all.
    Host {
        name: String,
        port: Option<u16>,
        /// The addresses of the name, once somebody has asked.
        addresses: Arc<OnceLock<Vec<IpAddr>>>,
    },
    /// A name.
    Name(String),
}

/// Which files, hosts and abilities scripts may use, for [`SystemHost`](crate::SystemHost) and for hosts of one's own.
///
/// ```
/// use aether::{Permission, Permissions};
///
/// let permissions = Permissions::nothing()
///     .allow(Permission::Clock)
///     .allow_only(Permission::Net, "example.com:443")
///     .allow_only(Permission::Read, "/usr/share")
///     .deny_only(Permission::Read, "/usr/share/secret");
/// assert!(permissions.check(Permission::Net, "example.com:443").is_ok());
/// assert!(permissions.check(Permission::Net, "example.com:80").is_err());
/// assert!(permissions.check(Permission::Read, "/usr/share/x/../dict").is_ok());
/// assert_eq!(
///     permissions.check(Permission::Read, "/usr/share/secret/key").unwrap_err(),
///     "read access to \"/usr/share/secret/key\""
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    allowed: [Grant; Permission::ALL.len()],
    denied: [Grant; Permission::ALL.len()],
    /// Whether refusals name the command line's option.
    names_option: bool,
}

impl Permissions {
    /// Allows nothing.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// assert!(Permissions::nothing().check(Permission::Clock, "clock").is_err());
    /// ```
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Allows everything.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// assert!(Permissions::everything().check(Permission::Run, "make").is_ok());
    /// ```
    pub fn everything() -> Self {
        Self {
            allowed: std::array::from_fn(|_| Grant::Everything),
            ..Self::default()
        }
    }

    /// The same, with a capability as a whole.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let permissions = Permissions::nothing().allow(Permission::Read);
    /// assert!(permissions.check(Permission::Read, "any.txt").is_ok());
    /// assert!(permissions.check(Permission::Write, "any.txt").is_err());
    /// ```
    #[must_use]
    pub fn allow(mut self, permission: Permission) -> Self {
        self.allowed[permission as usize] = Grant::Everything;
        self
    }

    /// The same, with a part of a capability: a path, a host with or without a port, or a name.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let permissions = Permissions::nothing().allow_only(Permission::Env, "HOME");
    /// assert!(permissions.check(Permission::Env, "HOME").is_ok());
    /// assert!(permissions.check(Permission::Env, "PATH").is_err());
    /// ```
    #[must_use]
    pub fn allow_only(mut self, permission: Permission, what: &str) -> Self {
        add(&mut self.allowed[permission as usize], permission, what);
        self
    }

    /// The same, without a capability.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let permissions = Permissions::everything().deny(Permission::Run);
    /// assert!(permissions.check(Permission::Run, "rm").is_err());
    /// ```
    #[must_use]
    pub fn deny(mut self, permission: Permission) -> Self {
        self.denied[permission as usize] = Grant::Everything;
        self
    }

    /// The same, without a part of a capability.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let permissions = Permissions::everything().deny_only(Permission::Net, "example.com");
    /// assert!(permissions.check(Permission::Net, "example.com:80").is_err());
    /// assert!(permissions.check(Permission::Net, "example.org:80").is_ok());
    /// ```
    #[must_use]
    pub fn deny_only(mut self, permission: Permission, what: &str) -> Self {
        add(&mut self.denied[permission as usize], permission, what);
        self
    }

    /// The same, with refusals that name the option of the command line that would allow the access.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let permissions = Permissions::nothing().naming_options();
    /// let refusal = permissions.check(Permission::Clock, "clock").unwrap_err();
    /// assert!(refusal.contains("--allow-clock"));
    /// ```
    #[must_use]
    pub fn naming_options(mut self) -> Self {
        self.names_option = true;
        self
    }

    /// Whether everything of a capability is allowed.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let some = Permissions::nothing().allow_only(Permission::Read, "/tmp");
    /// assert!(!some.allows_all(Permission::Read));
    /// assert!(some.allow(Permission::Read).allows_all(Permission::Read));
    /// ```
    pub fn allows_all(&self, permission: Permission) -> bool {
        matches!(self.allowed[permission as usize], Grant::Everything)
            && matches!(self.denied[permission as usize], Grant::Nothing)
    }

    /// Whether an access is allowed; `what` is a path, `host:port`, or a name.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let permissions = Permissions::nothing().allow_only(Permission::Net, "example.com:443");
    /// assert_eq!(
    ///     permissions.check(Permission::Net, "example.com:80"),
    ///     Err("net access to \"example.com:80\"".to_owned())
    /// );
    /// ```
    ///
    /// # Errors
    /// What is refused, as it stands behind `Permission denied: `.
    pub fn check(&self, permission: Permission, what: &str) -> Result<(), String> {
        if self.allows_all(permission) {
            return Ok(());
        }
        let target = Target::new(permission, what);
        let is_denied = self.denied[permission as usize].covers(&target, true);
        if !is_denied && self.allowed[permission as usize].covers(&target, false) {
            return Ok(());
        }
        Err(self.refusal(permission, what))
    }

    /// Whether an access is allowed to a path and to everything below it: nothing there is denied.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let permissions = Permissions::everything().deny_only(Permission::Write, "/data/keep");
    /// assert!(permissions.check(Permission::Write, "/data").is_ok());
    /// assert!(permissions.check_tree(Permission::Write, "/data").is_err());
    /// assert!(permissions.check_tree(Permission::Write, "/data/old").is_ok());
    /// ```
    ///
    /// # Errors
    /// See [`Permissions::check`].
    pub fn check_tree(&self, permission: Permission, path: &str) -> Result<(), String> {
        self.check(permission, path)?;
        self.check_below(permission, path, path)
    }

    /// Whether nothing is denied below a path, which lies at `resolved`.
    pub(crate) fn check_below(
        &self,
        permission: Permission,
        path: &str,
        resolved: &str,
    ) -> Result<(), String> {
        if let Grant::Some(rules) = &self.denied[permission as usize] {
            let tree = resolve(Path::new(resolved));
            let is_below = |rule: &Rule| matches!(rule, Rule::Path(denied) if denied.starts_with(&tree));
            if rules.iter().any(is_below) {
                return Err(self.refusal(permission, path));
            }
        }
        Ok(())
    }

    /// Whether an access is allowed that leads to `resolved`: an address that the host in `what` has, or the path of
    /// the file that was opened under `what`.
    ///
    /// ```
    /// use aether::{Permission, Permissions};
    ///
    /// let permissions = Permissions::everything().deny_only(Permission::Net, "127.0.0.1");
    /// // A name that is allowed and leads to an address that is not.
    /// assert!(permissions.check_resolved(Permission::Net, "localhost:80", "127.0.0.1:80").is_err());
    /// ```
    ///
    /// # Errors
    /// See [`Permissions::check`].
    pub fn check_resolved(&self, permission: Permission, what: &str, resolved: &str) -> Result<(), String> {
        if self.allows_all(permission) {
            return Ok(());
        }
        let is_host = matches!(permission, Permission::Net | Permission::Listen);
        if is_host {
            self.check(permission, what)?;
            let target = Target::new(permission, resolved);
            if self.denied[permission as usize].covers(&target, true) {
                return Err(self.refusal(permission, what));
            }
            return Ok(());
        }
        self.check(permission, resolved)
            .map_err(|_| self.refusal(permission, what))
    }

    #[cold]
    fn refusal(&self, permission: Permission, what: &str) -> String {
        let capability = permission.as_str();
        let detail = format!("{capability} access to \"{what}\"");
        match (self.names_option, permission.is_divisible()) {
            (false, _) => detail,
            (true, true) => format!("{detail} (run with --allow-{capability}={what})"),
            (true, false) => format!("{detail} (run with --allow-{capability})"),
        }
    }
}

fn add(grant: &mut Grant, permission: Permission, what: &str) {
    let rule = match permission {
        Permission::Read | Permission::Write | Permission::Plugin => Rule::Path(resolve(Path::new(what))),
        Permission::Net | Permission::Listen => {
            let (name, port) = host_and_port(what);
            Rule::Host {
                name,
                port,
                addresses: Arc::default(),
            }
        }
        _ => Rule::Name(what.to_owned()),
    };
    match grant {
        Grant::Everything => {}
        Grant::Some(rules) => rules.push(rule),
        Grant::Nothing => *grant = Grant::Some(vec![rule]),
    }
}

/// What an access goes to, as rules see it.
enum Target<'w> {
    Path(PathBuf),
    Host { name: String, port: Option<u16> },
    Name(&'w str),
}

impl<'w> Target<'w> {
    fn new(permission: Permission, what: &'w str) -> Self {
        match permission {
            Permission::Read | Permission::Write | Permission::Plugin => Self::Path(resolve(Path::new(what))),
            Permission::Net | Permission::Listen => {
                let (name, port) = host_and_port(what);
                Self::Host { name, port }
            }
            _ => Self::Name(what),
        }
    }
}

impl Grant {
    /// Whether it covers a target; with `resolves`, hosts' names in it cover their addresses.
    fn covers(&self, target: &Target<'_>, resolves: bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(rules) => rules.iter().any(|rule| rule.covers(target, resolves)),
        }
    }
}

impl Rule {
    fn covers(&self, target: &Target<'_>, resolves: bool) -> bool {
        match (self, target) {
            (Self::Path(covered), Target::Path(path)) => path.starts_with(covered),
            (Self::Name(known), Target::Name(name)) => known == name || known == "*",
            (
                Self::Host {
                    name: known,
                    port: only,
                    addresses,
                },
                Target::Host { name, port },
            ) => {
                if only.is_some() && only != port {
                    return false;
                }
                if known == name || known == "*" {
                    return true;
                }
                if let Some(domain) = known.strip_prefix("*.") {
                    return name.strip_suffix(domain).is_some_and(|host| host.ends_with('.'));
                }
                match (address(known), address(name)) {
                    (Some(known), Some(address)) => known == address,
                    (None, Some(address)) if resolves => {
                        let known = addresses.get_or_init(|| addresses_of(known));
                        known.contains(&address)
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

/// The addresses of a host's name.
fn addresses_of(name: &str) -> Vec<IpAddr> {
    let found = (name, 0).to_socket_addrs();
    found.map_or_else(
        |_| Vec::new(),
        |found| found.map(|address| address.ip().to_canonical()).collect(),
    )
}

fn address(name: &str) -> Option<IpAddr> {
    name.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// The host in an address, in lower case, and its port.
fn host_and_port(what: &str) -> (String, Option<u16>) {
    let split = what.rsplit_once(':');
    let (host, port) = match split.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        // An IPv6 address has colons of its own: with a port it stands in brackets.
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => (host, Some(port)),
        _ => (what, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (host.trim_end_matches('.').to_ascii_lowercase(), port)
}

/// The path behind every link and `..`; what does not exist stays as it is written.
pub(crate) fn resolve(path: &Path) -> PathBuf {
    let mut resolved = if path.is_absolute() {
        PathBuf::new()
    } else {
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        here.canonicalize().unwrap_or(here)
    };
    let mut parts: VecDeque<OsString> = parts_of(path);
    let mut links = 0;
    while let Some(part) = parts.pop_front() {
        let mut components = Path::new(&part).components();
        match components.next() {
            Some(Component::RootDir) => resolved = PathBuf::from("/"),
            Some(Component::Prefix(prefix)) => resolved = PathBuf::from(prefix.as_os_str()),
            Some(Component::CurDir) | None => {}
            Some(Component::ParentDir) => {
                resolved.pop();
            }
            Some(Component::Normal(name)) => {
                let next = resolved.join(name);
                match std::fs::read_link(&next) {
                    Ok(target) if links < MAX_LINKS => {
                        links += 1;
                        for part in parts_of(&target).into_iter().rev() {
                            parts.push_front(part);
                        }
                    }
                    _ => resolved = next,
                }
            }
        }
    }
    resolved
}

fn parts_of(path: &Path) -> VecDeque<OsString> {
    path.components()
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_where_they_lead() {
        let root = std::env::temp_dir().join(format!("aether-permissions-{}", std::process::id()));
        let data = root.join("data");
        std::fs::create_dir_all(data.join("deep")).unwrap();
        std::fs::create_dir_all(root.join("other")).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("other"), data.join("out")).unwrap();
            std::os::unix::fs::symlink(&data, root.join("in")).unwrap();
            std::os::unix::fs::symlink("circle", data.join("circle")).unwrap();
            std::os::unix::fs::symlink("../other/new", data.join("dangling")).unwrap();
        }
        let permissions = Permissions::nothing()
            .allow_only(Permission::Read, data.to_str().unwrap())
            .deny_only(Permission::Read, data.join("deep/private").to_str().unwrap());
        let may = |path: &str| {
            permissions
                .check(Permission::Read, root.join(path).to_str().unwrap())
                .is_ok()
        };
        for path in [
            "data",
            "data/a",
            "data/deep/x/y",
            "data/deep/../b",
            "other/../data/a",
            "data/./a",
            "in/a",
        ] {
            assert!(may(path), "{path}");
        }
        for path in [
            "",
            "other/a",
            "data/../other/a",
            "data2",
            "data/out/a",
            "in/../other/a",
            "data/dangling",
            "data/deep/private",
            "data/deep/private/key",
            "data/deep/../deep/private/key",
            "data/new/../../other",
        ] {
            assert!(!may(path), "{path}");
        }
        // A link that leads to itself leads nowhere else.
        let _ = may("data/circle");
        assert!(
            permissions
                .check(Permission::Write, data.to_str().unwrap())
                .is_err()
        );
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn hosts_are_compared_by_name_port_and_address() {
        let permissions = Permissions::nothing()
            .allow_only(Permission::Net, "Example.com:443")
            .allow_only(Permission::Net, "*.example.org")
            .allow_only(Permission::Net, "10.0.0.1")
            .allow_only(Permission::Net, "[2001:db8::1]:80")
            .deny_only(Permission::Net, "bad.example.org")
            .deny_only(Permission::Net, "localhost");
        let may = |what: &str| permissions.check(Permission::Net, what).is_ok();
        for what in [
            "example.com:443",
            "EXAMPLE.COM.:443",
            "a.example.org:1",
            "a.b.example.org:2",
            "10.0.0.1:9",
            "[::ffff:10.0.0.1]:9",
            "[2001:db8::1]:80",
        ] {
            assert!(may(what), "{what}");
        }
        for what in [
            "example.com:80",
            "example.com",
            "example.org:1",
            "badexample.org:1",
            "bad.example.org:1",
            "10.0.0.2:9",
            "[2001:db8::1]:81",
            "127.0.0.1:1",
        ] {
            assert!(!may(what), "{what}");
        }
        let resolved =
            |address: &str| permissions.check_resolved(Permission::Net, "a.example.org:1", address);
        assert!(resolved("93.184.216.34:1").is_ok());
        assert_eq!(
            resolved("127.0.0.1:1").unwrap_err(),
            "net access to \"a.example.org:1\""
        );
    }

    #[test]
    fn refusals_name_the_option() {
        let permissions = Permissions::everything()
            .deny(Permission::Clock)
            .deny_only(Permission::Env, "HOME")
            .naming_options();
        assert!(permissions.allows_all(Permission::Random));
        assert!(permissions.check(Permission::Env, "PATH").is_ok());
        let refused = |permission, what| permissions.check(permission, what).unwrap_err();
        assert_eq!(
            refused(Permission::Env, "HOME"),
            "env access to \"HOME\" (run with --allow-env=HOME)"
        );
        assert_eq!(
            refused(Permission::Clock, "clock"),
            "clock access to \"clock\" (run with --allow-clock)"
        );
    }
}
