//! Ready-made hosts: the machine itself, memory for tests, and nothing at all.

mod deny;
mod memory;
mod system;

pub use deny::DenyHost;
pub use memory::MemoryHost;
pub use system::{Output, SystemHost};
