//! What an engine's host says about machine code; the same whether this build can make any or not.

/// Bytes of machine code at most, unless the host says otherwise.
const DEFAULT_CODE: usize = 32 << 20;

/// How an engine makes machine code of hot functions.
///
/// No program can tell machine code from interpretation but by time. Where the build or the processor has none
/// ([`crate::MACHINE_CODE`]), the options mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitOptions {
    /// Whether it does.
    pub enabled: bool,
    /// Bytes of machine code at most, in whole blocks of 64 KiB, and never more than a quarter of the heap's budget. Once they are used up, nothing more is compiled; what
    /// is there stays.
    pub max_code: usize,
    /// What is written down about it, for [`crate::Machine::jit_report`].
    pub report: JitReport,
    /// For tests: functions are profiled the first time they are met, which is after a few steps, and for a moment
    /// only; everything that was executed then is compiled.
    pub eager: bool,
    /// For tests: code is left for the interpreter at every seventh word.
    pub exits_everywhere: bool,
    /// For tests: code is left for the interpreter whenever so many of its instructions have been executed; 0 for never.
    pub exit_interval: u32,
}

impl JitOptions {
    /// What an engine does unless its host says otherwise.
    pub const DEFAULT: Self = Self {
        enabled: true,
        max_code: DEFAULT_CODE,
        report: JitReport::None,
        eager: false,
        exits_everywhere: false,
        exit_interval: 0,
    };
}

impl Default for JitOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What an engine writes down about machine code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JitReport {
    /// Nothing.
    #[default]
    None,
    /// What was compiled, what was not and why, what was discarded and why, and where code was left how often.
    Log,
    /// The bytes that every instruction of what was compiled has become.
    Listing,
}
