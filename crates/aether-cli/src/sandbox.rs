//! What a script may reach, as the command line and files say it.
//!
//! Invariant: a word that is not understood is an error: a sandbox that is mistyped does not open.

use std::path::{Path, PathBuf};

use aether::{Permission, Permissions, SystemHost};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// Rules: each is a capability, and the part of it that is meant if not the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Whether what is not allowed is denied.
    pub(crate) sandbox: bool,
    pub(crate) allow: Vec<(Permission, Option<String>)>,
    pub(crate) deny: Vec<(Permission, Option<String>)>,
    /// A file with more rules.
    pub(crate) file: Option<PathBuf>,
}

/// The options that allow and that deny a capability.
const fn options(permission: Permission) -> (&'static str, &'static str) {
    match permission {
        Permission::Read => ("allow-read", "deny-read"),
        Permission::Write => ("allow-write", "deny-write"),
        Permission::Clock => ("allow-clock", "deny-clock"),
        Permission::Random => ("allow-random", "deny-random"),
        Permission::Env => ("allow-env", "deny-env"),
        Permission::Plugin => ("allow-plugin", "deny-plugin"),
        Permission::Net => ("allow-net", "deny-net"),
        Permission::Listen => ("allow-listen", "deny-listen"),
        Permission::Run => ("allow-run", "deny-run"),
        Permission::Worker => ("allow-worker", "deny-worker"),
    }
}

/// What the parts of a capability are called in the help.
fn value_name(permission: Permission) -> &'static str {
    match permission {
        Permission::Net | Permission::Listen => "HOST[:PORT],…",
        Permission::Env => "NAME,…",
        Permission::Run => "CMD,…",
        _ => "PATH,…",
    }
}

fn help(permission: Permission) -> &'static str {
    match permission {
        Permission::Read => "Allow reading files, or those below these paths",
        Permission::Write => "Allow writing files, or those below these paths",
        Permission::Clock => "Allow reading the clock",
        Permission::Random => "Allow randomness",
        Permission::Env => "Allow reading the environment, or these variables",
        Permission::Plugin => "Allow loading plugins, which may then do anything, or those below these paths",
        Permission::Net => "Allow connections, or those to these hosts",
        Permission::Listen => "Allow servers, or those at these addresses",
        Permission::Run => "Allow running programs, or these; they are outside of the sandbox",
        Permission::Worker => "Allow workers, which have at most the rights of the script",
    }
}

fn option(name: &'static str, permission: Permission) -> Arg {
    let arg = Arg::new(name).long(name);
    if permission.is_divisible() {
        arg.value_name(value_name(permission))
            .num_args(0..=1)
            .require_equals(true)
            .value_delimiter(',')
            .default_missing_value("")
            .action(ArgAction::Append)
    } else {
        arg.action(ArgAction::SetTrue)
    }
}

impl Args for Rules {
    fn augment_args(mut command: Command) -> Command {
        command = command
            .arg(
                Arg::new("sandbox")
                    .long("sandbox")
                    .action(ArgAction::SetTrue)
                    .help("Deny everything that is not allowed; --deny-… takes precedence, and works without this"),
            )
            .arg(
                Arg::new("permissions")
                    .long("permissions")
                    .value_name("FILE")
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("Take rules from a TOML file: sandbox, and lists in [allow] and [deny]"),
            );
        for permission in Permission::ALL {
            let (allow, deny) = options(permission);
            command = command
                .arg(option(allow, permission).help(help(permission)))
                .arg(option(deny, permission).hide(true));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The rules that options give.
fn rules(
    matches: &ArgMatches,
    option: impl Fn(Permission) -> &'static str,
) -> Vec<(Permission, Option<String>)> {
    let mut rules = Vec::new();
    for permission in Permission::ALL {
        let name = option(permission);
        if permission.is_divisible() {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            rules.extend(values.map(|what| (permission, Some(what.clone()).filter(|what| !what.is_empty()))));
        } else if matches.get_flag(name) {
            rules.push((permission, None));
        }
    }
    rules
}

impl FromArgMatches for Rules {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            sandbox: matches.get_flag("sandbox"),
            allow: rules(matches, |permission| options(permission).0),
            deny: rules(matches, |permission| options(permission).1),
            file: matches.get_one::<PathBuf>("permissions").cloned(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Rules {
    /// The permissions; none if everything is allowed.
    ///
    /// # Errors
    /// What is wrong with the file of rules.
    pub(crate) fn permissions(&self) -> Result<Option<Permissions>, String> {
        let mut rules = self.clone();
        if let Some(file) = &self.file {
            rules.add_file(file)?;
        }
        if !rules.sandbox && rules.deny.is_empty() {
            return Ok(None);
        }
        let mut permissions = if rules.sandbox {
            Permissions::nothing()
        } else {
            Permissions::everything()
        };
        for (permission, what) in rules.allow {
            permissions = match what {
                Some(what) => permissions.allow_only(permission, &what),
                None => permissions.allow(permission),
            };
        }
        for (permission, what) in rules.deny {
            permissions = match what {
                Some(what) => permissions.deny_only(permission, &what),
                None => permissions.deny(permission),
            };
        }
        Ok(Some(permissions.naming_options()))
    }

    fn add_file(&mut self, file: &Path) -> Result<(), String> {
        let shown = file.display();
        let text =
            std::fs::read_to_string(file).map_err(|error| format!("cannot read '{shown}': {error}"))?;
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| format!("{shown}: {}", error.message()))?;
        let directory = file.parent().unwrap_or(Path::new(""));
        for (key, value) in table {
            match (key.as_str(), value) {
                ("sandbox", toml::Value::Boolean(sandbox)) => self.sandbox |= sandbox,
                ("allow", toml::Value::Table(table)) => read_rules(&table, directory, &mut self.allow)
                    .map_err(|wrong| format!("{shown}: [allow] {wrong}"))?,
                ("deny", toml::Value::Table(table)) => read_rules(&table, directory, &mut self.deny)
                    .map_err(|wrong| format!("{shown}: [deny] {wrong}"))?,
                ("sandbox", _) => return Err(format!("{shown}: sandbox is true or false")),
                ("allow" | "deny", _) => return Err(format!("{shown}: {key} is a table")),
                _ => {
                    return Err(format!(
                        "{shown}: unknown key '{key}'; sandbox, allow and deny are known"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The rules of a table: a capability is true, a text or a list of texts. Paths are taken from the file's directory.
fn read_rules(
    table: &toml::Table,
    directory: &Path,
    rules: &mut Vec<(Permission, Option<String>)>,
) -> Result<(), String> {
    for (name, value) in table {
        let known = Permission::ALL
            .into_iter()
            .find(|permission| permission.as_str() == name);
        let Some(permission) = known else {
            let names: Vec<&str> = Permission::ALL
                .iter()
                .map(|permission| permission.as_str())
                .collect();
            return Err(format!(
                "unknown capability '{name}'; {} are known",
                names.join(", ")
            ));
        };
        let place = |what: &str| match permission {
            Permission::Read | Permission::Write | Permission::Plugin => {
                directory.join(what).to_string_lossy().into_owned()
            }
            _ => what.to_owned(),
        };
        match value {
            toml::Value::Boolean(true) => rules.push((permission, None)),
            toml::Value::Boolean(false) => {}
            toml::Value::String(what) if permission.is_divisible() => {
                rules.push((permission, Some(place(what))));
            }
            toml::Value::Array(parts) if permission.is_divisible() => {
                for part in parts {
                    let what = part.as_str().ok_or_else(|| format!("{name} holds texts"))?;
                    rules.push((permission, Some(place(what))));
                }
            }
            _ if permission.is_divisible() => return Err(format!("{name} is true or a list of texts")),
            _ => return Err(format!("{name} is true or false")),
        }
    }
    Ok(())
}

/// A moment: seconds since the epoch, or a date with or without a time of day, in UTC, as in `2026-01-31T12:30:00Z`.
pub(crate) fn moment(text: &str) -> Result<f64, String> {
    let invalid = || {
        format!(
            "'{text}' is not a moment; a moment is seconds since 1970, or a date such as 2026-01-31T12:30:00Z"
        )
    };
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds)
            .filter(|seconds| seconds.is_finite())
            .ok_or_else(invalid);
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let part = |text: Option<&str>, most: i64| -> Result<i64, String> {
        let number = text
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|number| (0..=most).contains(number));
        number.ok_or_else(invalid)
    };
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (
        part(parts.next(), 9999)?,
        part(parts.next(), 12)?,
        part(parts.next(), 31)?,
    );
    let time = time.strip_suffix('Z').unwrap_or(time);
    let mut parts = time.splitn(3, ':');
    let (hour, minute) = (part(parts.next(), 23)?, part(parts.next(), 59)?);
    let second: f64 = parts
        .next()
        .unwrap_or("0")
        .parse()
        .ok()
        .filter(|second| (0.0..60.0).contains(second))
        .ok_or_else(invalid)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if month == 0 || day == 0 || day > length {
        return Err(invalid());
    }
    // Days of the Gregorian calendar, counted in years that begin in March.
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Ok((days * 86_400 + hour * 3600 + minute * 60) as f64 + second)
}

/// The host with the rights, the seed and the time that a run has.
pub(crate) fn restrict(
    mut host: SystemHost,
    permissions: Option<Permissions>,
    seed: Option<u64>,
    fixed_time: Option<f64>,
) -> SystemHost {
    if let Some(permissions) = permissions {
        host = host.with_permissions(permissions);
    }
    if let Some(seed) = seed {
        host = host.with_seed(seed);
    }
    if let Some(time) = fixed_time {
        host = host.with_fixed_time(time);
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        let is = |text: &str, seconds: f64| assert_eq!(moment(text).unwrap(), seconds, "{text}");
        is("0", 0.0);
        is("1700000000.5", 1_700_000_000.5);
        is("1970-01-01", 0.0);
        is("2000-02-29", 951_782_400.0);
        is("2026-01-31T12:30:15.5Z", 1_769_862_615.5);
        is("1969-12-31 23:59:59", -1.0);
        for text in [
            "",
            "soon",
            "2026-02-29",
            "2026-13-01",
            "2026-01-01T24:00:00",
            "2026-1",
            "inf",
            "2026-01-01T1:2:61",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
