//! What the planner knows of a script's function: its name, what it takes and what it gives.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Signature, Volatility};

use crate::Scripts;
use crate::columns::is_supported;

/// A function as it was declared.
pub(crate) struct Declared {
    pub(crate) scripts: Scripts,
    pub(crate) name: String,
    pub(crate) signature: Signature,
    pub(crate) result: DataType,
}

impl Declared {
    pub(crate) fn new(scripts: &Scripts, name: &str, arguments: Vec<DataType>, result: DataType) -> Self {
        Self {
            scripts: scripts.clone(),
            name: name.to_owned(),
            // The same values give the same result: the planner may move calls, and make one for many rows.
            signature: Signature::exact(arguments, Volatility::Immutable),
            result,
        }
    }

    /// The type of the result, if scripts know it and those of the arguments.
    pub(crate) fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let unknown = arguments
            .iter()
            .chain([&self.result])
            .find(|known| !is_supported(known));
        match unknown {
            Some(unknown) => plan_err!("{}: scripts know no {unknown}", self.name),
            None => Ok(self.result.clone()),
        }
    }
}

impl std::fmt::Debug for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declared")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

// Functions of different programs are different, whatever their names.
impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.scripts.name, &other.scripts.name)
            && self.name == other.name
            && self.signature == other.signature
            && self.result == other.result
    }
}

impl Eq for Declared {}

impl Hash for Declared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.scripts.name.hash(state);
        self.name.hash(state);
    }
}
