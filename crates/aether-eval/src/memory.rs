//! Reports about memory: what leaked, what is still alive, and a profile of all allocations.
//!
//! [`Machine::watch_memory`] before the run, [`Machine::leak_report`] or [`Machine::heap_profile`] after it. Nothing
//! here prints or writes a file: a report is data, with a text and a JSON form.
//!
//! What is left out of a report: interned constants, code, types and functions, and the library.
//!
//! Source: tools reference §E3, §E4. The profile's form is DHAT's, version 2, as described in Valgrind's
//! `dhat/dh_main.c` and read by its viewer.

use std::collections::BTreeMap;
use std::fmt::Write;

use aether_value::{CycleGroup, ObjectTotals, Value};

use crate::machine::Machine;
use crate::vm::{ScriptFrame, Vm};

/// Collections before a leak report, as long as what they find has code that runs first.
const MOST_PASSES: usize = 8;

/// Groups that a text shows unless told otherwise.
pub const LEAK_LIMIT: usize = 20;

/// What to watch while a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryWatch {
    /// Allocation sites and cycles, for a leak report.
    Leaks,
    /// Every block, for a profile; sites and cycles too.
    Profile,
    /// A block for every so many bytes allocated, for a profile; with `sites` those of all objects too, for a leak
    /// report.
    Sample {
        /// Bytes from one block to the next.
        interval: usize,
        /// Whether a leak report is wanted too.
        sites: bool,
    },
}

/// A place and function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakPlace {
    /// `file:line`; empty when it was not recorded.
    pub place: String,
    /// The function; empty for a top level.
    pub function: String,
}

impl LeakPlace {
    fn text(&self) -> String {
        match (self.place.as_str(), self.function.as_str()) {
            ("", _) => "at an unknown place".to_owned(),
            (place, "") => format!("{place} at top level"),
            (place, function) => format!("{place} in {function}"),
        }
    }
}

/// A member of a cycle.
#[derive(Clone, Debug)]
pub struct LeakStep {
    /// Its type.
    pub type_name: String,
    /// Where it was allocated.
    pub at: LeakPlace,
    /// How it holds the next member.
    pub edge: String,
    /// How many of its type and place the groups held.
    pub totals: ObjectTotals,
}

/// Unreachable groups of the same make.
#[derive(Clone, Debug)]
pub struct Leak {
    /// A cycle in the group, closed by the last step.
    pub path: Vec<LeakStep>,
    /// The step whose edge should be weak.
    pub weak: usize,
    /// How many such groups.
    pub groups: usize,
    /// What hung on the cycle beside its members, by type and place.
    pub others: Vec<(String, LeakPlace, ObjectTotals)>,
    /// All that the groups held.
    pub total: ObjectTotals,
}

impl Leak {
    /// Whether the cycles look the same to a reader: their stacks may differ further out.
    fn is_like(&self, other: &Self) -> bool {
        let same =
            |(a, b): (&LeakStep, &LeakStep)| (&a.type_name, &a.at, &a.edge) == (&b.type_name, &b.at, &b.edge);
        self.path.len() == other.path.len() && self.path.iter().zip(&other.path).all(same)
    }

    fn merge(&mut self, other: &Self) {
        let add = |sum: &mut ObjectTotals, more: ObjectTotals| {
            sum.count += more.count;
            sum.bytes += more.bytes;
        };
        self.groups += other.groups;
        add(&mut self.total, other.total);
        for (step, more) in self.path.iter_mut().zip(&other.path) {
            add(&mut step.totals, more.totals);
        }
        for (type_name, at, totals) in &other.others {
            match self
                .others
                .iter_mut()
                .find(|(name, place, _)| (name, place) == (type_name, at))
            {
                Some((_, _, sum)) => add(sum, *totals),
                None => self.others.push((type_name.clone(), at.clone(), *totals)),
            }
        }
    }
}

/// A value that a runtime root still held.
#[derive(Clone, Debug)]
pub struct RootedValue {
    /// Its type.
    pub type_name: String,
    /// Where it was allocated.
    pub at: LeakPlace,
    /// What holds it.
    pub held_by: String,
    /// It and all it leads to.
    pub total: ObjectTotals,
}

/// What a leak check found.
#[derive(Clone, Debug, Default)]
pub struct LeakReport {
    /// Unreachable groups, those that were collected during the run included.
    pub cycles: Vec<Leak>,
    /// How many groups there were, and what they held.
    pub cycle_count: usize,
    /// What they held.
    pub cycle_total: ObjectTotals,
    /// What was still held at the end.
    pub alive: Vec<RootedValue>,
    /// All that those lead to, each object once.
    pub alive_total: ObjectTotals,
    /// Everything alive, by type and place; for the level `all`.
    pub alive_all: Vec<(String, LeakPlace, ObjectTotals)>,
    /// Bytes live at the end.
    pub live_bytes: usize,
    /// Most bytes live.
    pub peak_bytes: usize,
}

/// The name in an edge: of a field, or of a dict's entry.
fn name_of_edge(edge: &str) -> &str {
    let entry = edge.strip_prefix("[\"").and_then(|rest| rest.strip_suffix("\"]"));
    entry.or_else(|| edge.strip_prefix('.')).unwrap_or(edge)
}

/// The edge that points back: one with a telling name, else the last.
fn weak_edge(path: &[LeakStep]) -> usize {
    let telling = path
        .iter()
        .position(|step| aether_resolve::BACKWARD_MEMBERS.contains(&name_of_edge(&step.edge)));
    telling.unwrap_or(path.len().saturating_sub(1))
}

impl Machine {
    /// Watches memory from now on.
    pub fn watch_memory(&mut self, watch: MemoryWatch) {
        let (sites, profile) = match watch {
            MemoryWatch::Leaks => (true, None),
            MemoryWatch::Profile => (true, Some(0)),
            MemoryWatch::Sample { interval, sites } => (sites, Some(interval)),
        };
        let vm = self.vm();
        vm.record_sites(sites, profile);
        vm.recipe.leaks = sites.then(std::sync::Arc::default);
    }

    /// Has `write` called with a profile soon after `flag` has been set, while code runs.
    pub fn on_profile_request(
        &mut self,
        flag: std::sync::Arc<std::sync::atomic::AtomicBool>,
        write: impl FnMut(&HeapProfile) + 'static,
    ) {
        self.vm().on_profile_request(flag, Box::new(write));
    }

    /// `file:line` of the script's frame in which a value was allocated, if that was recorded.
    pub fn site_of(&self, value: &Value) -> Option<String> {
        self.vm_ref().site_text(self.heap().site_of(value))
    }

    fn leak_place(&self, site: u32) -> LeakPlace {
        let frames = self.vm_ref().site_frames(site);
        let frame = frames.into_iter().find(|frame| frame.line > 0);
        frame.map_or(
            LeakPlace {
                place: String::new(),
                function: String::new(),
            },
            |frame| LeakPlace {
                place: frame.place(),
                function: frame.function,
            },
        )
    }

    /// What leaked, workers included, and what is still alive. To be called when the program has ended; ends its
    /// workers, and runs its finalizers and a collection first.
    pub fn leak_report(&mut self) -> LeakReport {
        let workers = self.vm_ref().recipe.leaks.clone();
        let workers = workers.map_or_else(Vec::new, |leaks| leaks.collect());
        let mut report = self.own_leaks();
        for other in workers {
            report.cycle_count += other.cycle_count;
            report.cycle_total.count += other.cycle_total.count;
            report.cycle_total.bytes += other.cycle_total.bytes;
            for leak in other.cycles {
                report.add(leak);
            }
        }
        report
    }

    /// The same for this machine alone.
    pub(crate) fn own_leaks(&mut self) -> LeakReport {
        let peak_bytes = self.heap().peak_bytes();
        // A finalizer's failure has been reported by now.
        let _ = self.run_finalizers();
        for _ in 0..MOST_PASSES {
            self.heap().collect();
            // A pass that finds generators to be closed frees nothing before they are.
            if !self.heap().has_finalizer() {
                break;
            }
            let _ = self.run_finalizers();
        }
        let found = self.heap().cycles();
        let mut report = LeakReport {
            cycle_count: found.found,
            cycle_total: found.total,
            live_bytes: self.heap().live_bytes(),
            peak_bytes,
            ..LeakReport::default()
        };
        for group in &found.groups {
            report.add(self.leak(group));
        }
        let held = self.vm_ref().held_data();
        let values: Vec<Value> = held.iter().map(|(_, value)| value.clone()).collect();
        let sum = |by_key: &BTreeMap<(String, u32), ObjectTotals>| {
            by_key
                .values()
                .fold(ObjectTotals::default(), |sum, totals| ObjectTotals {
                    count: sum.count + totals.count,
                    bytes: sum.bytes + totals.bytes,
                })
        };
        let all = self.heap().reachable(&values);
        report.alive_total = sum(&all);
        for (held_by, value) in held {
            let total = sum(&self.heap().reachable(std::slice::from_ref(&value)));
            report.alive.push(RootedValue {
                type_name: value.type_name().into_owned(),
                at: self.leak_place(self.heap().site_of(&value)),
                held_by,
                total,
            });
        }
        report.alive_all = self.placed(&all);
        report
    }

    fn placed(
        &self,
        by_key: &BTreeMap<(String, u32), ObjectTotals>,
    ) -> Vec<(String, LeakPlace, ObjectTotals)> {
        let mut placed: BTreeMap<(String, String, String), ObjectTotals> = BTreeMap::new();
        for ((type_name, site), totals) in by_key {
            let at = self.leak_place(*site);
            let entry = placed
                .entry((type_name.clone(), at.place, at.function))
                .or_default();
            entry.count += totals.count;
            entry.bytes += totals.bytes;
        }
        let mut placed: Vec<_> = placed
            .into_iter()
            .map(|((type_name, place, function), totals)| (type_name, LeakPlace { place, function }, totals))
            .collect();
        placed.sort_by_key(|(_, _, totals)| std::cmp::Reverse(totals.bytes));
        placed
    }

    fn leak(&self, group: &CycleGroup) -> Leak {
        let mut members = group.members.clone();
        let mut total = ObjectTotals::default();
        for totals in members.values() {
            total.count += totals.count;
            total.bytes += totals.bytes;
        }
        let path: Vec<LeakStep> = group
            .path
            .iter()
            .map(|step| LeakStep {
                type_name: step.type_name.clone(),
                at: self.leak_place(step.site),
                edge: step.edge.clone(),
                totals: members
                    .remove(&(step.type_name.clone(), step.site))
                    .unwrap_or_default(),
            })
            .collect();
        Leak {
            weak: weak_edge(&path),
            path,
            groups: group.groups,
            others: self.placed(&members),
            total,
        }
    }

    /// The profile of all allocations; empty of program points unless one was recorded.
    pub fn heap_profile(&self) -> HeapProfile {
        self.vm_ref().heap_profile()
    }
}

impl Vm {
    /// The profile so far.
    pub(crate) fn heap_profile(&self) -> HeapProfile {
        let profile = self.heap.profile();
        let mut points: Vec<ProfilePoint> = Vec::new();
        for (site, figures) in &profile.sites {
            points.push(ProfilePoint {
                frames: self.site_frames(*site),
                figures: *figures,
            });
        }
        points.sort_by_key(|point| std::cmp::Reverse(point.figures.peak_bytes));
        HeapProfile {
            points,
            peak_bytes: profile.peak_bytes,
            peak_time: profile.peak_time,
            peak_at: self.site_text(profile.peak_site),
            end_time: profile.time,
        }
    }
}

fn objects(count: usize) -> String {
    if count == 1 {
        "1 object".to_owned()
    } else {
        format!("{count} objects")
    }
}

impl LeakReport {
    /// Adds a group, to those that look like it if there are any.
    fn add(&mut self, leak: Leak) {
        match self.cycles.iter_mut().find(|known| known.is_like(&leak)) {
            Some(known) => known.merge(&leak),
            None => self.cycles.push(leak),
        }
    }

    /// Whether unreachable cycles were found.
    pub fn has_leaks(&self) -> bool {
        self.cycle_count > 0
    }

    /// The report as text, a line each, with at most `most` groups and roots; with `all`, everything alive too.
    pub fn text(&self, most: usize, all: bool) -> String {
        let mut out = String::new();
        let _ = self.write_text(&mut out, most, all);
        out
    }

    fn write_text(&self, out: &mut String, most: usize, all: bool) -> std::fmt::Result {
        let cycles = if self.cycle_count == 1 { "cycle" } else { "cycles" };
        let (count, total) = (self.cycle_count, self.cycle_total);
        let what = objects(total.count);
        writeln!(
            out,
            "leak-check: {what} in {count} unreachable {cycles} ({} bytes)",
            total.bytes
        )?;
        for (index, leak) in self.cycles.iter().take(most).enumerate() {
            let mut names: Vec<&str> = leak.path.iter().map(|step| step.type_name.as_str()).collect();
            if names.len() == 1 {
                names.push("itself");
            }
            write!(out, "  cycle {}: {}", index + 1, names.join(" -> "))?;
            if leak.groups > 1 {
                write!(out, "   ({} times, {} bytes)", leak.groups, leak.total.bytes)?;
            }
            out.push('\n');
            for (at, step) in leak.path.iter().enumerate() {
                let next = &leak.path[(at + 1) % leak.path.len()];
                write!(out, "    {}  {}   ", step.type_name, step.at.text())?;
                if step.totals.count > 0 {
                    write!(
                        out,
                        "({}, {} bytes)  ",
                        objects(step.totals.count),
                        step.totals.bytes
                    )?;
                }
                writeln!(out, "{} -> {} {}", step.edge, next.type_name, next.at.place)?;
            }
            for (type_name, at, totals) in leak.others.iter().take(most) {
                let (what, bytes) = (objects(totals.count), totals.bytes);
                writeln!(
                    out,
                    "    with {type_name}  {}   ({what}, {bytes} bytes)",
                    at.text()
                )?;
            }
            if let Some(step) = leak.path.get(leak.weak) {
                writeln!(
                    out,
                    "    make {} of {} weak (make_weak) to break the cycle",
                    step.edge, step.type_name
                )?;
            }
        }
        if self.cycles.len() > most {
            writeln!(out, "  and {} more kinds of cycles", self.cycles.len() - most)?;
        }
        let total = self.alive_total;
        writeln!(
            out,
            "  still alive: {} ({} bytes)",
            objects(total.count),
            total.bytes
        )?;
        for alive in self.alive.iter().take(most) {
            write!(
                out,
                "    {}  {}   held by {}",
                alive.type_name,
                alive.at.text(),
                alive.held_by
            )?;
            if alive.total.count > 1 {
                write!(
                    out,
                    "   ({}, {} bytes)",
                    objects(alive.total.count),
                    alive.total.bytes
                )?;
            }
            out.push('\n');
        }
        if self.alive.len() > most {
            writeln!(out, "    and {} more", self.alive.len() - most)?;
        }
        if all {
            for (type_name, at, totals) in &self.alive_all {
                let (what, bytes) = (objects(totals.count), totals.bytes);
                writeln!(out, "    {what} {type_name}  {}   ({bytes} bytes)", at.text())?;
            }
        }
        Ok(())
    }

    /// The report as JSON: `{cycles, alive, live_bytes, peak_bytes}`.
    pub fn json(&self) -> String {
        let cycles = self.cycles.iter().map(|leak| {
            let path = leak
                .path
                .iter()
                .map(|step| objects_as_json(&step.type_name, &step.at, ("edge", &step.edge), step.totals));
            format!(
                r#"{{"groups":{},"objects":{},"bytes":{},"weak":{},"path":[{}]}}"#,
                leak.groups,
                leak.total.count,
                leak.total.bytes,
                leak.weak,
                joined(path)
            )
        });
        let alive = self.alive.iter().map(|alive| {
            objects_as_json(
                &alive.type_name,
                &alive.at,
                ("held_by", &alive.held_by),
                alive.total,
            )
        });
        format!(
            r#"{{"cycles":[{}],"alive":[{}],"live_bytes":{},"peak_bytes":{}}}"#,
            joined(cycles),
            joined(alive),
            self.live_bytes,
            self.peak_bytes
        )
    }
}

/// Objects of one type from one place, with what is known of them beside their totals.
fn objects_as_json(
    type_name: &str,
    at: &LeakPlace,
    (key, known): (&str, &str),
    totals: ObjectTotals,
) -> String {
    format!(
        r#"{{"type":{},"site":{},"function":{},"{key}":{},"objects":{},"bytes":{}}}"#,
        quoted(type_name),
        quoted(&at.place),
        quoted(&at.function),
        quoted(known),
        totals.count,
        totals.bytes
    )
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What was allocated at one stack.
#[derive(Clone, Debug)]
pub struct ProfilePoint {
    /// The stack, innermost first; empty for what the engine itself allocated.
    pub frames: Vec<ScriptFrame>,
    /// Its figures.
    pub figures: aether_value::SiteProfile,
}

/// A profile of all allocations.
#[derive(Clone, Debug)]
pub struct HeapProfile {
    /// Points, those with most bytes at the peak first.
    pub points: Vec<ProfilePoint>,
    /// Most bytes at one time.
    pub peak_bytes: u64,
    /// When that was.
    pub peak_time: u64,
    /// The line whose allocation brought it about.
    pub peak_at: Option<String>,
    /// When the program ended.
    pub end_time: u64,
}

impl HeapProfile {
    /// The profile in the JSON form of DHAT's viewer. `command` is what its title says, `process` the number there.
    pub fn json(&self, command: &str, process: u32) -> String {
        let mut table: Vec<String> = vec!["[root]".to_owned()];
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut points = Vec::new();
        for point in &self.points {
            let mut frames: Vec<usize> = Vec::new();
            let texts = point.frames.iter().map(frame_text);
            let engine = point.frames.is_empty().then(|| "[engine]".to_owned());
            for text in texts.chain(engine) {
                let next = table.len();
                let number = *numbers.entry(text.clone()).or_insert(next);
                if number == next {
                    table.push(text);
                }
                frames.push(number);
            }
            let f = &point.figures;
            points.push(format!(
                r#"{{"tb":{},"tbk":{},"tl":{},"mb":{},"mbk":{},"gb":{},"gbk":{},"eb":{},"ebk":{},"fs":[{}]}}"#,
                f.bytes,
                f.blocks,
                f.lifetimes,
                f.most_bytes,
                f.most_blocks,
                f.peak_bytes,
                f.peak_blocks,
                f.live_bytes,
                f.live_blocks,
                joined(frames.iter().map(usize::to_string))
            ));
        }
        format!(
            "{{\"dhatFileVersion\":2,\"mode\":\"script-heap\",\"verb\":\"Allocated\",\"bklt\":true,\"bkacc\":false,\
             \"tu\":\"instrs\",\"Mtu\":\"Minstr\",\"tuth\":500,\"cmd\":{},\"pid\":{process},\
             \"tg\":{},\"te\":{},\"pps\":[\n{}\n],\"ftbl\":[{}]}}\n",
            quoted(command),
            self.peak_time,
            self.end_time,
            points.join(",\n"),
            joined(table.iter().map(|text| quoted(text)))
        )
    }

    /// Three lines: the total; the peak with the line that set it and the one that held most of it; what is left at the
    /// end.
    pub fn summary(&self) -> String {
        let sum = |figure: fn(&aether_value::SiteProfile) -> u64| -> u64 {
            self.points.iter().map(|point| figure(&point.figures)).sum()
        };
        let place = self
            .points
            .iter()
            .filter_map(|point| Some((point.frames.iter().find(|frame| frame.line > 0)?, point)))
            .max_by_key(|(_, point)| point.figures.peak_bytes)
            .map(|(frame, _)| frame);
        let mut out = String::new();
        let _ = writeln!(
            out,
            "heap-profile: total {} bytes in {} blocks",
            sum(|f| f.bytes),
            sum(|f| f.blocks)
        );
        let _ = write!(
            out,
            "heap-profile: at the peak {} bytes in {} blocks",
            self.peak_bytes,
            sum(|f| f.peak_blocks)
        );
        if let Some(place) = &self.peak_at {
            let _ = write!(out, ", set by {place}");
        }
        if let Some(place) = place {
            let _ = write!(out, ", most of it from {}", place.place());
        }
        let _ = writeln!(out);
        let _ = writeln!(
            out,
            "heap-profile: at exit {} bytes in {} blocks",
            sum(|f| f.live_bytes),
            sum(|f| f.live_blocks)
        );
        out
    }
}

/// A frame as the viewer shows it.
fn frame_text(frame: &ScriptFrame) -> String {
    let name = if frame.function.is_empty() {
        "<top level>"
    } else {
        frame.function.as_str()
    };
    if frame.line == 0 {
        name.to_owned()
    } else {
        format!("{name} ({})", frame.place())
    }
}
