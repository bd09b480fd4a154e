//! Scripts as functions of DataFusion: scalar ones, by rows or by columns, and aggregates.
//!
//! A [`Scripts`] is a program and a budget. Each thread that executes a part of a query gets an engine of its own; the
//! engines of one `Scripts` share its budget. Nothing of an engine crosses threads: an aggregate's state travels as a
//! message.
//!
//! - [`Scripts::by_rows`]: the script's function is called with the values of a row. Numbers are read where Arrow has
//!   them; texts are copied into the script's heap.
//! - [`Scripts::by_columns`]: it is called once for each batch with [`columns::Column`]s, which are views of what Arrow
//!   has, and an output that becomes an Arrow array as it is.
//! - [`Scripts::aggregate`]: `NAME_start()`, `NAME_add(state, values…)`, `NAME_merge(state, other)`, `NAME_finish(state)`.
//!   A state is made of data that JSON can hold.
//!
//! An error says which row of the batch it was, with what values, and the script's line.

mod aggregate;
pub mod columns;
mod declared;
mod scalar;

use std::sync::Arc;

use aether::{Engine, EnginePool, Error, Program, Value};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

/// A program whose functions queries call. They have to give the same result for the same values.
#[derive(Clone)]
pub struct Scripts {
    pool: EnginePool,
    program: Program,
    name: Arc<str>,
}

impl Scripts {
    /// Parses a program. `budget` is in bytes, for the engines of all threads together.
    ///
    /// # Errors
    /// The program has errors of syntax.
    pub fn new(name: &str, text: &str, budget: usize) -> Result<Self, Error> {
        let program = Program::from_file(name, text)?;
        let pool = EnginePool::builder(Engine::builder)
            .max_memory(budget)
            .prepare(columns::register)
            .program(program.clone())
            .build();
        Ok(Self {
            pool,
            program,
            name: name.into(),
        })
    }

    /// A function of the program as one of queries, which is called for each row.
    pub fn by_rows(&self, function: &str, arguments: Vec<DataType>, result: DataType) -> ScalarUDF {
        scalar::udf(self, function, arguments, result, scalar::Calls::Rows)
    }

    /// A function of the program as one of queries, which is called for each batch: with a column for each argument,
    /// and last with the output, to which it adds a value for each row.
    pub fn by_columns(&self, function: &str, arguments: Vec<DataType>, result: DataType) -> ScalarUDF {
        scalar::udf(self, function, arguments, result, scalar::Calls::Columns)
    }

    /// Four functions of the program as an aggregate of queries.
    pub fn aggregate(&self, name: &str, arguments: Vec<DataType>, result: DataType) -> AggregateUDF {
        aggregate::udf(self, name, arguments, result)
    }

    /// A function of the program in a thread's engine.
    fn function(&self, engine: &Engine, name: &str) -> Result<Value, Error> {
        self.program
            .global(engine, name)
            .ok_or_else(|| Error::message(format!("Undefined variable '{name}'")))
    }

    /// An error of the program, for DataFusion.
    fn error(&self, error: &Error, place: &str) -> DataFusionError {
        let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
        DataFusionError::Execution(format!("{}{line}: {error}{place}", self.name))
    }
}
