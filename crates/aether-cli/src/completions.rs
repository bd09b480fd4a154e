//! `aether completions`: a script for a shell that completes subcommands, options and script files.
//!
//! The scripts are made from the table of options, so that they cannot fall behind it.

use clap::{Args, Command, CommandFactory, ValueEnum};
use std::fmt::Write as _;

use crate::options::CommandLine;
use crate::streams;

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// PowerShell.
    Powershell,
}

/// What `completions` is asked.
#[derive(Debug, Args)]
pub(crate) struct Words {
    /// The shell.
    shell: Shell,
}

/// A subcommand with what is said about it and its options.
struct Entry {
    name: String,
    about: String,
    options: Vec<(String, String)>,
}

/// Prints the script and gives the exit status.
#[cold]
#[inline(never)]
pub(crate) fn run(words: &Words) -> u8 {
    let entries = entries();
    let script = match words.shell {
        Shell::Bash => bash(&entries),
        Shell::Zsh => zsh(&entries),
        Shell::Fish => fish(&entries),
        Shell::Powershell => powershell(&entries),
    };
    streams::write_out(&script);
    0
}

fn entries() -> Vec<Entry> {
    let command = CommandLine::command();
    let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    let options = |command: &Command| {
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        let mut options: Vec<(String, String)> = shown
            .filter_map(|argument| {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                Some((format!("--{}", argument.get_long()?), help))
            })
            .collect();
        options.push(("--help".to_owned(), "Print help".to_owned()));
        options
    };
    let mut entries = vec![Entry {
        name: String::new(),
        about: String::new(),
        options: options(&command),
    }];
    entries.extend(command.get_subcommands().map(|command| Entry {
        name: command.get_name().to_owned(),
        about: about(command),
        options: options(command),
    }));
    entries
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

fn names(entries: &[Entry]) -> String {
    joined(entries.iter().skip(1).map(|entry| entry.name.as_str()))
}

fn bash(entries: &[Entry]) -> String {
    let mut cases = String::new();
    for entry in entries.iter().skip(1) {
        let options = joined(entry.options.iter().map(|(name, _)| name.as_str()));
        // Writing to a string cannot fail.
        let _ = writeln!(cases, "        {}) options=\"{options}\" ;;", entry.name);
    }
    let own = joined(entries[0].options.iter().map(|(name, _)| name.as_str()));
    format!(
        r#"_aether() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" subcommand="" options="{own}" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${{COMP_WORDS[i]}}" in -*) ;; *) subcommand="${{COMP_WORDS[i]}}"; break ;; esac
    done
    case "$subcommand" in
        "") ;;
{cases}        *) options="" ;;
    esac
    COMPREPLY=()
    case "$word" in
        -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
        *)
            [ -z "$subcommand" ] && COMPREPLY=($(compgen -W "{names}" -- "$word"))
            COMPREPLY+=($(compgen -f -X '!*.ae' -- "$word") $(compgen -d -- "$word"))
            ;;
    esac
}}
complete -o filenames -F _aether aether
"#,
        names = names(entries)
    )
}

fn zsh(entries: &[Entry]) -> String {
    let quoted = |text: &str| text.replace('\'', "'\\''").replace(':', "\\:");
    let mut list = String::new();
    let mut cases = String::new();
    for entry in entries.iter().skip(1) {
        let _ = writeln!(list, "        '{}:{}'", entry.name, quoted(&entry.about));
        let options: String = entry
            .options
            .iter()
            .map(|(name, help)| {
                let help = help.replace(['[', ']'], "").replace('\'', "'\\''");
                format!(" '{name}[{help}]'")
            })
            .collect();
        let _ = writeln!(
            cases,
            "        {}) _arguments{options} '*:script:_files -g \"*.ae(-.)\"' ;;",
            entry.name
        );
    }
    format!(
        "#compdef aether\n_aether() {{\n    local -a subcommands=(\n{list}    )\n    \
         if (( CURRENT == 2 )); then\n        _describe subcommand subcommands\n        \
         _files -g '*.ae(-.)'\n        return\n    fi\n    local subcommand=$words[2]\n    shift words\n    \
         (( CURRENT-- ))\n    case $subcommand in\n{cases}        *) _files ;;\n    esac\n}}\n\
         if [ \"$funcstack[1]\" = _aether ]; then _aether; else compdef _aether aether; fi\n"
    )
}

fn fish(entries: &[Entry]) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let names = names(entries);
    let mut out = String::from("complete -c aether -f\n");
    for entry in entries {
        let condition = if entry.name.is_empty() {
            "__fish_use_subcommand".to_owned()
        } else {
            let _ = writeln!(
                out,
                "complete -c aether -n __fish_use_subcommand -a {} -d '{}'",
                entry.name,
                quoted(&entry.about)
            );
            format!("'__fish_seen_subcommand_from {}'", entry.name)
        };
        for (name, help) in &entry.options {
            let _ = writeln!(
                out,
                "complete -c aether -n {condition} -l {} -d '{}'",
                name.trim_start_matches('-'),
                quoted(help)
            );
        }
    }
    let _ = writeln!(
        out,
        "complete -c aether -n 'not __fish_seen_subcommand_from {names}; or true' -k -a '(__fish_complete_suffix .ae)'"
    );
    out
}

fn powershell(entries: &[Entry]) -> String {
    let mut cases = String::new();
    for entry in entries {
        let options: Vec<String> = entry
            .options
            .iter()
            .map(|(name, _)| format!("'{name}'"))
            .collect();
        let _ = writeln!(cases, "        '{}' {{ @({}) }}", entry.name, options.join(", "));
    }
    let names: Vec<String> = entries
        .iter()
        .skip(1)
        .map(|entry| format!("'{}'", entry.name))
        .collect();
    format!(
        r#"Register-ArgumentCompleter -Native -CommandName aether -ScriptBlock {{
    param($word, $ast, $position)
    $subcommands = @({names})
    $given = $ast.CommandElements | Select-Object -Skip 1 | ForEach-Object {{ $_.ToString() }}
    $subcommand = $given | Where-Object {{ $subcommands -contains $_ }} | Select-Object -First 1
    $options = switch ([string]$subcommand) {{
{cases}    }}
    $found = if ($word.StartsWith('-')) {{ $options }} elseif (-not $subcommand) {{ $subcommands }} else {{ @() }}
    $found | Where-Object {{ $_.StartsWith($word) }}
    Get-ChildItem -Path "$word*" -Filter *.ae | ForEach-Object {{ $_.Name }}
}}
"#,
        names = names.join(", ")
    )
}
